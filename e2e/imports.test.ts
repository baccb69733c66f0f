import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** What `npm run check` asks. It is JavaScript, without types. */
const SCRIPT = '../scripts/imports.js'
const { importFindings } = (await import(SCRIPT)) as {
  importFindings(folder?: string): Promise<readonly string[]>
}

/** What the tool reads itself, and nothing that it looks at. */
const PLAIN = { 'tsconfig.base.json': '{"files": ["plain.ts"]}', 'plain.ts': '' }

/** What is found in a repository that consists of these files. */
async function findingsIn(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vigie-imports-'))
  try {
    for (const [path, text] of Object.entries({ ...PLAIN, ...files })) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    return await importFindings(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const ROUND = [
  'packages/protocol/src',
  'packages/client/src/react',
  'packages/server/src/core',
  'packages/server/src/rows',
  'packages/server/src/socketio',
  'packages/server/src/testing/contracts',
  'apps/vigie/src/demo',
  'apps/web/src/chat',
]

/** `from` imports from `to`, and may not. */
const UPWARD = [
  ['core', 'rows'],
  ['core', 'socketio'],
  ['rows', 'host'],
  ['rows', 'socketio'],
  ['host', 'socketio'],
  ['http', 'socketio'],
  ['postgres', 'memory'],
  ['memory', 'rows'],
  ['socketio', 'postgres'],
  ['testing', 'socketio'],
] as const

/** A start of the tool, on a busy machine. */
describe('what `npm run check` says of imports', { timeout: 60_000 }, () => {
  test('names every circle: of three files in any folder, of types, and through a list of exports', async () => {
    const circles = ROUND.flatMap((folder) => [
      [`${folder}/one.ts`, `import { two } from './two.js'\nexport const one = () => two`],
      [`${folder}/two.ts`, `import { three } from './three.js'\nexport const two = () => three`],
      [`${folder}/three.ts`, `import { one } from './one.js'\nexport const three = () => one`],
    ])
    const findings = await findingsIn({
      ...(Object.fromEntries(circles) as Record<string, string>),
      'packages/protocol/src/up.ts': `import type { Down } from './down.js'\nexport interface Up { down: Down }`,
      'packages/protocol/src/down.ts': `import type { Up } from './up.js'\nexport interface Down { up: Up }`,
      'packages/client/src/index.ts': `export { store } from './store.js'`,
      'packages/client/src/store.ts': `import { store as self } from './index.js'\nexport const store = () => self`,
    })
    expect(findings.filter((finding) => !finding.startsWith('no-circle: '))).toEqual([])
    expect(findings.map(partsOf).sort()).toEqual(
      [
        ...ROUND.map((folder) => [`${folder}/one.ts`, `${folder}/three.ts`, `${folder}/two.ts`]),
        ['packages/protocol/src/down.ts', 'packages/protocol/src/up.ts'],
        ['packages/client/src/index.ts', 'packages/client/src/store.ts'],
      ]
        .map((parts) => parts.join())
        .sort(),
    )
  })

  test('names each import that reaches up, also of a type, and a folder of the server that no layer speaks of', async () => {
    const planted = UPWARD.flatMap(([from, to]) => [
      [
        `packages/server/src/${from}/up-to-${to}.ts`,
        `import type { High } from '../${to}/high.js'\nexport type Low = High`,
      ],
      [`packages/server/src/${to}/high.ts`, `export interface High { is: true }`],
    ])
    const findings = await findingsIn({
      ...(Object.fromEntries(planted) as Record<string, string>),
      'packages/server/src/shadow/door.ts': `import { key } from '../core/key.js'\nexport const door = key`,
      'packages/server/src/core/key.ts': `export const key = 1`,
      'packages/client/src/store.ts': `import { hook } from './react/hook.js'\nexport const store = hook`,
      'packages/client/src/react/hook.ts': `export const hook = 1`,
      'apps/vigie/src/path.ts': `import { key } from '../../../packages/server/src/core/key.js'\nexport const path = key`,
    })
    expect([...findings].sort()).toEqual(
      [
        ...UPWARD.map(
          ([from, to]) =>
            `layer-${from}: packages/server/src/${from}/up-to-${to}.ts → packages/server/src/${to}/high.ts`,
        ),
        'server-folder-has-a-layer: packages/server/src/shadow/door.ts → packages/server/src/core/key.ts',
        'store-knows-no-react: packages/client/src/store.ts → packages/client/src/react/hook.ts',
        'package-by-its-name: apps/vigie/src/path.ts → packages/server/src/core/key.ts',
      ].sort(),
    )
  })

  test('names an import that leads to no file, behind which a circle could hide', async () => {
    const findings = await findingsIn({
      'packages/protocol/src/one.ts': `import { two } from './missing.js'\nexport const one = two`,
    })
    expect(findings).toEqual([expect.stringMatching(/^no-unresolved: packages\/protocol\/src\/one\.ts/u)])
  })

  test('is that nothing was looked at, where there is nothing', async () => {
    expect(await findingsIn({ 'packages/empty/src/readme.txt': '' })).toEqual([
      'No source file was found: nothing was looked at.',
    ])
  })
})

/** The files of a circle, wherever it is entered. */
function partsOf(finding: string): string {
  return [...new Set(finding.replace(/^[\w-]+: /u, '').split(' → '))].sort().join()
}
