/** The code of docs/guides that only other people's compilers can judge: React Native's types, the grammars of Dart, Java, Go, Rust and C++. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeOfGuide } from '../support/guides.js'
import { emptyProject, installedProject, must, type FreshProject } from '../support/packages.js'

/** What the guide for React Native says that it is compiled against, and what these want beside them. */
const PHONE = [
  'react-native@0.88.1',
  '@react-native-community/netinfo@12.0.1',
  '@react-native-async-storage/async-storage@3.1.1',
  'react@19.3.1',
  '@types/react@19.3.0',
]
/** Grammars as WebAssembly, and a runtime that reads them: nothing is compiled at install. */
const GRAMMAR = ['web-tree-sitter@0.25.10', 'tree-sitter-wasms@0.1.13']
const INSTALL = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact']
const SLOW_MS = 300_000

test(
  'the code in the guide for React Native compiles against its types, and what is wrong in it is refused',
  { timeout: SLOW_MS },
  async () => {
    await using project = await installedProject()
    // React Native asks for a newer Node than we do; only its types are read here.
    must(await project.run('npm', ...INSTALL, '--engine-strict=false', ...PHONE))
    const files = await codeOfGuide('react-native', ['ts', 'tsx'])
    expect(files.map(({ file }) => file)).toEqual(['keep-with-app.ts', 'presence.ts', 'conversation.tsx'])
    for (const { file, text } of files) await project.write(file, text)
    await project.write('host.d.ts', PHONE_HOST)
    const compile = async (...others: string[]) => {
      const config = {
        compilerOptions: PHONE_OPTIONS,
        files: ['host.d.ts', ...files.map(({ file }) => file), ...others],
      }
      await project.write('tsconfig.json', JSON.stringify(config))
      return project.run(
        process.execPath,
        join('node_modules', 'typescript', 'bin', 'tsc'),
        '-p',
        'tsconfig.json',
      )
    }
    expect(await compile()).toEqual({ code: 0, output: '\n' })
    await project.write('misuses.ts', PHONE_MISUSES)
    expect(await compile('misuses.ts')).toEqual({ code: 0, output: '\n' })
  },
)

test('the guide for React Native names the versions that its code was compiled against', async () => {
  const guide = await readFile('docs/guides/react-native.md', 'utf8')
  const [native, network, storage] = PHONE.map((wanted) => wanted.replace(/^(.+)@(.+)$/u, '`$1` $2'))
  expect(guide).toContain(`the types of ${native}, ${network} and ${storage}`)
})

describe('the code in the guides that no compiler of ours judges', () => {
  let project: FreshProject
  beforeAll(async () => {
    project = await emptyProject()
    await project.write('package.json', JSON.stringify({ name: 'grammar', private: true, type: 'module' }))
    must(await project.run('npm', ...INSTALL, ...GRAMMAR))
    await project.write('parse.js', PARSE)
  }, SLOW_MS)
  afterAll(() => project[Symbol.asyncDispose]())

  /** Where the grammar finds what is not of the language, as `line: what`. */
  const parse = async (language: string, file: string, text: string): Promise<string[]> => {
    await project.write(file, text)
    const { output } = must(await project.run(process.execPath, 'parse.js', language, file))
    return JSON.parse(output) as string[]
  }

  describe.for([
    ['dart', 'flutter', 'dart', 3, 'void main() { final x = ; }'],
    ['java', 'other-languages', 'java', 1, 'class Wrong { int x = ; }'],
    ['go', 'other-languages', 'go', 1, 'func wrong() { x := }'],
    ['rust', 'other-languages', 'rust', 1, 'fn wrong() { let x = ; }'],
    ['cpp', 'other-languages', 'cpp', 1, 'int wrong() { int x = ; }'],
  ] as const)('%s, in the guide %s', ([language, guide, block, atLeast, wrong]) => {
    test('is of that language', async () => {
      const files = await codeOfGuide(guide, [block])
      expect(files.length).toBeGreaterThanOrEqual(atLeast)
      for (const { file, text } of files) expect(await parse(language, file, text), file).toEqual([])
    })

    test('would be refused with a bracket less, or a statement that is none', async () => {
      const { text } = (await codeOfGuide(guide, [block]))[0]!
      expect(await parse(language, 'less', text.replace('{', ''))).not.toEqual([])
      expect(await parse(language, 'wrong', `${text}\n${wrong}\n`)).not.toEqual([])
    })
  })
})

/** What an app has of its own. */
const PHONE_HOST = `
declare function fetchToken(): Promise<string | undefined>
declare function logError(error: unknown): void
declare function nameOf(userId: string): string
`

/** As the configuration that React Native ships, and stricter. Without a page: a phone has none. */
const PHONE_OPTIONS = {
  target: 'ES2022',
  lib: ['ES2022'],
  types: [],
  module: 'ESNext',
  moduleResolution: 'bundler',
  customConditions: ['react-native'],
  jsx: 'react-native',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
}

/** That it compiles says something only if these do not. */
const PHONE_MISUSES = `
import NetInfo from '@react-native-community/netinfo'
import { AppState } from 'react-native'
import { keepWithApp } from './keep-with-app'
import { presence } from './presence'
// @ts-expect-error
keepWithApp(presence, { appState: AppState })
// @ts-expect-error
keepWithApp(presence, { appState: NetInfo, netInfo: NetInfo })
// @ts-expect-error
keepWithApp(AppState, { appState: AppState, netInfo: NetInfo })
// @ts-expect-error
AppState.addEventListener('changed', () => {})
`

const PARSE = `
import { readFile } from 'node:fs/promises'
import { Language, Parser } from 'web-tree-sitter'

await Parser.init()
const parser = new Parser()
parser.setLanguage(await Language.load('node_modules/tree-sitter-wasms/out/tree-sitter-' + process.argv[2] + '.wasm'))
const found = []
const look = (node) => {
  if (node.isError || node.isMissing) found.push(node.startPosition.row + 1 + ': ' + node.type + ' ' + node.text)
  for (const child of node.children) look(child)
}
look(parser.parse(await readFile(process.argv[3], 'utf8')).rootNode)
console.log(JSON.stringify(found))
`
