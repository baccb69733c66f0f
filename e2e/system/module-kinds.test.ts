/** The packed packages under the module systems, compilers and test runners that hosts have. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedProject, must, versionsOf, type FreshProject } from '../support/packages.js'

const FILES = fileURLToPath(new URL('../support/module-kinds', import.meta.url))
const INSTALL_TIMEOUT_MS = 300_000
/** What such a project has beside, in the versions of this repository. */
const BESIDE = [
  'react',
  'react-dom',
  '@types/react',
  '@types/react-dom',
  '@testing-library/react',
  'vite',
  'vitest',
  'happy-dom',
]
const RUNNERS = ['jest@30.5.2', 'jest-environment-jsdom@30.5.2', '@testing-library/dom@10.4.1']
/** The oldest compiler that the packages are tried with. */
const OLD_TYPESCRIPT = 'typescript-old@npm:typescript@5.0.4'

let project: FreshProject

beforeAll(async () => {
  project = await installedProject()
  await cp(FILES, project.path, { recursive: true })
  const beside = await versionsOf(BESIDE)
  must(
    await project.run(
      'npm',
      'install',
      '--no-audit',
      '--no-fund',
      '--save-exact',
      ...beside,
      ...RUNNERS,
      OLD_TYPESCRIPT,
    ),
  )
}, INSTALL_TIMEOUT_MS)
afterAll(() => project[Symbol.asyncDispose]())

/** `cts` and `mts`: TypeScript takes the file for a CommonJS module, and for an ES module. */
const MODES = [
  ['typescript', 'cts', { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' }],
  ['typescript', 'cts', { module: 'node16' }],
  ['typescript', 'mts', { module: 'node16' }],
  ['typescript', 'cts', { module: 'nodenext' }],
  ['typescript', 'mts', { module: 'nodenext' }],
  ['typescript', 'mts', { module: 'nodenext', exactOptionalPropertyTypes: false }],
  ['typescript', 'cts', { module: 'commonjs', moduleResolution: 'bundler' }],
  ['typescript', 'mts', { module: 'esnext', moduleResolution: 'bundler' }],
  ['typescript-old', 'cts', { module: 'commonjs', moduleResolution: 'node10' }],
  ['typescript-old', 'cts', { module: 'node16' }],
  ['typescript-old', 'mts', { module: 'node16' }],
] as const

describe.for(MODES)('%s compiles a program of every entry, as .%s, with %o', ([compiler, ending, mode]) => {
  const compile = async (text: string) => {
    await project.write(`app.${ending}`, text)
    const compilerOptions = { ...COMPILER_OPTIONS, ...mode }
    await project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: [`app.${ending}`] }))
    return project.run(process.execPath, `node_modules/${compiler}/bin/tsc`, '-p', 'tsconfig.json')
  }

  test('and it runs, without a warning', async () => {
    expect(await compile(await project.read('app.ts'))).toEqual({ code: 0, output: '\n' })
    const program = join('compiled', `app.${ending.replace('t', 'j')}`)
    expect(await project.run(process.execPath, program)).toEqual({ code: 0, output: SAID })
  })

  test('and refuses what the types do not have', async () => {
    const { code, output } = await compile([MISUSES_HEAD, ...MISUSES].join('\n'))
    const lines = [...output.matchAll(/^app\.\w+\((\d+),\d+\): error/gmu)].map(([, line]) => Number(line))
    expect(code).toBe(2)
    expect(lines.map((line) => MISUSES[line - 1 - MISUSES_HEAD.split('\n').length])).toEqual(MISUSES)
  })
})

test('Jest requires the packages, in Node and in a page', async () => {
  const { code, output } = await project.run(process.execPath, 'node_modules/jest/bin/jest.js', '.cjs')
  expect(output).toContain('Test Suites: 2 passed, 2 total')
  expect(output).toContain('Tests:       4 passed, 4 total')
  expect(code).toBe(0)
})

test('Jest imports the packages where its ES modules are switched on', async () => {
  const flag = '--experimental-vm-modules'
  const { code, output } = await project.run(process.execPath, flag, 'node_modules/jest/bin/jest.js', '.mjs')
  expect(output).toContain('Tests:       1 passed, 1 total')
  expect(code).toBe(0)
})

test('a bundle of which one part imports the client and another requires it has each class once', async () => {
  must(await project.run(process.execPath, 'node_modules/vite/bin/vite.js', 'build'))
  const { output } = must(await project.run(process.execPath, 'bundle/bundled.js'))
  expect(output).toBe('true\n\n')
})

test('Vitest imports the packages', async () => {
  const { code, output } = await project.run(process.execPath, 'node_modules/vitest/vitest.mjs', 'run')
  expect(stripVTControlCharacters(output)).toMatch(/Tests +1 passed/u)
  expect(code).toBe(0)
})

const COMPILER_OPTIONS = {
  target: 'ES2022',
  lib: ['ES2023', 'DOM'],
  types: ['node'],
  outDir: 'compiled',
  rootDir: '.',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  // Others' declarations are newer than the old compiler.
  skipLibCheck: true,
}

const SAID = ['ana sees ben', 'true never', '<p>unknown</p>', 'true function', '', ''].join('\n')

const MISUSES_HEAD = `
import { createPresenceClient } from '@vigie/client'
import { usePresence } from '@vigie/client/react'
import { createFakePresence } from '@vigie/client/testing'
import { ERRORS } from '@vigie/protocol'
import { attachPresence } from '@vigie/server'
import { createApiClient } from '@vigie/server/http'
import { memoryMemberships } from '@vigie/server/memory'
import { migrationSql } from '@vigie/server/postgres'
import { createTruth } from '@vigie/server/testing'
`
/** That a program compiles says something only if these do not: a type that is not found would be `any`. */
const MISUSES = [
  `createPresenceClient({})`,
  `usePresence(7)`,
  `createFakePresence({ online: 'ben' })`,
  `export const row = ERRORS.no_such_code`,
  `attachPresence()`,
  `createApiClient({})`,
  `memoryMemberships({ rooms: [] })`,
  `migrationSql(7)`,
  `createTruth('no')`,
]
