/** The code of docs/react.md compiles as its readers would have it, and names all that there is. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { problemsOf, ROOT } from '../support/compile.js'

/** What the reader has already. */
const HOST = `
declare function fetchToken(): Promise<string>
declare function nameOf(userId: string): string
declare function sendMessage(conversationId: string, text: string): void
`

test('each block of code in the guide compiles by itself', async () => {
  const blocks = await codeOf('docs/react.md')
  expect(blocks.length).toBeGreaterThan(5)
  const files = Object.fromEntries(blocks.map((block, place) => [`guide-${place}.tsx`, block]))
  expect(problemsOf(import.meta.dirname, { 'guide-host.d.ts': HOST, ...files })).toEqual([])
})

test('every name that the module exports is in the guide', async () => {
  const guide = await readFile(join(ROOT, 'docs/react.md'), 'utf8')
  const names = Object.keys(await import('../../src/react/index.js'))
  expect(names.length).toBeGreaterThan(10)
  expect(names.filter((name) => !guide.includes(name))).toEqual([])
})

async function codeOf(document: string): Promise<string[]> {
  const text = await readFile(join(ROOT, document), 'utf8')
  return [...text.matchAll(/^```tsx?\n(.*?)^```/gmsu)].map(([, code]) => code!)
}
