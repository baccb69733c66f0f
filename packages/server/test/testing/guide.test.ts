import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('the examples in docs/guides/testing.md are these tests', async () => {
  const guide = await readFile(join(import.meta.dirname, '../../../../docs/guides/testing.md'), 'utf8')
  const examples = [...guide.matchAll(/^```ts\n(.*?)^```/gmsu)].map(([, code]) => code)
  const files = ['guide-server.test.ts', 'guide-client.test.ts']
  const texts = files.map((file) => readFile(join(import.meta.dirname, file), 'utf8'))
  // But for its first line, which says what the file is.
  expect(examples).toEqual((await Promise.all(texts)).map((text) => text.slice(text.indexOf('\n') + 1)))
})
