/** The code of docs/guides that only other people's compilers can judge: React Native's types, Dart's grammar. */
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
/** A grammar of Dart 3 as WebAssembly, and a runtime that reads it: nothing is compiled at install. */
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

describe('the Dart code in the guide for Flutter', () => {
  let project: FreshProject
  beforeAll(async () => {
    project = await emptyProject()
    await project.write('package.json', JSON.stringify({ name: 'dart', private: true, type: 'module' }))
    must(await project.run('npm', ...INSTALL, ...GRAMMAR))
    await project.write('parse.js', PARSE)
  }, SLOW_MS)
  afterAll(() => project[Symbol.asyncDispose]())

  /** Where the grammar finds what is no Dart, as `line: what`. */
  const parse = async (file: string, text: string): Promise<string[]> => {
    await project.write(file, text)
    const { output } = must(await project.run(process.execPath, 'parse.js', file))
    return JSON.parse(output) as string[]
  }

  test('is Dart', async () => {
    const files = await codeOfGuide('flutter', ['dart'])
    expect(files.length).toBeGreaterThan(2)
    for (const { file, text } of files) expect(await parse(file, text), file).toEqual([])
  })

  test('would be refused with a bracket less, or a statement that is none', async () => {
    const { text } = (await codeOfGuide('flutter', ['dart']))[0]!
    expect(await parse('less.dart', text.replace('{', ''))).not.toEqual([])
    expect(await parse('none.dart', `${text}\nvoid main() { final x = ; }\n`)).not.toEqual([])
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
parser.setLanguage(await Language.load('node_modules/tree-sitter-wasms/out/tree-sitter-dart.wasm'))
const found = []
const look = (node) => {
  if (node.isError || node.isMissing) found.push(node.startPosition.row + 1 + ': ' + node.type + ' ' + node.text)
  for (const child of node.children) look(child)
}
look(parser.parse(await readFile(process.argv[2], 'utf8')).rootNode)
console.log(JSON.stringify(found))
`
