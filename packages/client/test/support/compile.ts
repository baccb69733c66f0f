/** Compiles text that is in no file, as a user of the packages would. */
import { join } from 'node:path'
import ts from 'typescript'

export const ROOT = join(import.meta.dirname, '../../../..')

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

/**
 * What the compiler says of these files, each by its name and text. They are taken to be in `folder`, so that it finds
 * packages as a file there would.
 */
export function problemsOf(
  folder: string,
  files: Readonly<Record<string, string>>,
  options: ts.CompilerOptions = {},
): string[] {
  const texts = new Map(Object.entries(files).map(([name, text]) => [join(folder, name), text] as const))
  const all = { ...OPTIONS, ...options }
  const program = ts.createProgram([...texts.keys()], all, hostWith(texts, all))
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file ? file.text.slice(0, start).split('\n').length : 0
    return `${file?.fileName.split('/').at(-1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

function hostWith(texts: ReadonlyMap<string, string>, options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options)
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
