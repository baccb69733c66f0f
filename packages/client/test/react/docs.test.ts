/** The code of docs/react.md compiles as its readers would have it, and names all that there is. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../../../..')
/** What the reader has already. */
const HOST = `
declare function fetchToken(): Promise<string>
declare function nameOf(userId: string): string
declare function sendMessage(conversationId: string, text: string): void
`

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: [],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  jsx: ts.JsxEmit.ReactJSX,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
  paths: {
    '@vigie/client': [join(ROOT, 'packages/client/src/index.ts')],
    '@vigie/client/*': [join(ROOT, 'packages/client/src/*/index.ts')],
    '@vigie/protocol': [join(ROOT, 'packages/protocol/src/index.ts')],
  },
}

test('each block of code in the guide compiles by itself', async () => {
  const blocks = await codeOf('docs/react.md')
  expect(blocks.length).toBeGreaterThan(5)
  // Files of this folder that exist in memory only, so that React is found as it is from here.
  const texts = new Map([
    [join(import.meta.dirname, 'guide-host.d.ts'), HOST],
    ...blocks.map((block, place) => [join(import.meta.dirname, `guide-${place}.tsx`), block] as const),
  ])
  const program = ts.createProgram([...texts.keys()], OPTIONS, hostWith(texts))
  const found = ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file ? file.text.slice(0, start).split('\n').length : 0
    return `${file?.fileName.split('/').at(-1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  expect(found).toEqual([])
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

function hostWith(texts: ReadonlyMap<string, string>): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS)
  return {
    ...host,
    fileExists: (path) => texts.has(path) || host.fileExists(path),
    readFile: (path) => texts.get(path) ?? host.readFile(path),
    getSourceFile(path, version, ...rest) {
      const text = texts.get(path)
      return text === undefined
        ? host.getSourceFile(path, version, ...rest)
        : ts.createSourceFile(path, text, version)
    },
  }
}
