/** The wire's tests, those of `npm test`, with Socket.IO on uWebSockets.js (`io.attachApp`). */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startProcess } from '../support/process.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What cannot hold there, with the reason. Whatever else fails is a fault. */
const LEFT_OUT = [
  {
    why: 'Frames go to the stream under ws; uWebSockets.js has none, and gets packets through engine.io.',
    titles: [
      'a change is one write of finished frames to the stream under ws, which ws writes its own to as well',
      'a handshake is two system calls: the upgrade and engine.io’s opening, then the CONNECT and the picture',
      'the same change is encoded once for all who hear it',
      'is all that may be seen, each event with its exact fields, in one write after the connection',
    ],
  },
  {
    why: 'With uWebSockets.js engine.io takes a WebSocket for always writable; uws-pace.test.ts says what is asked instead.',
    titles: [
      'engine.io says `ready` when it can be written again, and keeps what cannot be written in writeBuffer',
    ],
  },
  {
    why: 'uWebSockets.js cannot listen on a port while connections to its former owner end.',
    titles: [
      'after a drain stock clients are back on the next server by themselves, each with a whole picture',
    ],
  },
  {
    why: 'uWebSockets.js drops what the host sends beyond `maxBackpressure`; see docs/rooms.md.',
    titles: ['once what is pending has been written'],
  },
  {
    why: 'uWebSockets.js makes the frames itself: bytes are those of packets there.',
    titles: ['counts each event that clients hear, and exactly the bytes that they are'],
  },
  {
    why: 'uWebSockets.js cuts a line before the packet of the same turn is out. The client comes back all the same.',
    titles: ['when connectionStateRecovery let it past the checks, and it is refused afterwards'],
  },
]

/**
 * The first ends and fills the stream under ws at the server’s end; hostile-lines.test.ts does what a client can, on
 * both. The second looks at which parts of ws and engine.io there are.
 */
const LEFT_OUT_FILES = [
  'packages/server/test/socketio/dead-streams.test.ts',
  'packages/server/test/socketio/internals.test.ts',
]

interface Report {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
  }[]
}

let folder: string
let code: number | NodeJS.Signals
let lines: readonly string[]
let report: Report

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigie-uws-'))
  const file = join(folder, 'report.json')
  const titles = LEFT_OUT.flatMap((each) => each.titles).map((title) =>
    title.replaceAll(/[.*+?^${}()|[\]\\]/gu, '\\$&'),
  )
  await using run = startProcess(
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config=vitest.uws.config.ts',
      '--maxWorkers=1',
      `--testNamePattern=^(?!.*(?:${titles.join('|')})$)`,
      ...LEFT_OUT_FILES.map((path) => `--exclude=${path}`),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ],
    // It is a run of its own, and not a worker of this one.
    {
      cwd: ROOT,
      env: {
        VITEST: undefined,
        VITEST_MODE: undefined,
        VITEST_POOL_ID: undefined,
        VITEST_WORKER_ID: undefined,
      },
    },
  )
  code = await run.ended
  lines = run.lines
  report = JSON.parse(await readFile(file, 'utf8')) as Report
}, 400_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const titlesThat = (...statuses: readonly string[]) =>
  report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => statuses.includes(status)).map(({ title }) => title),
  )

it('on uWebSockets.js every test of the wire holds that does not look into ws', () => {
  expect(titlesThat('failed')).toEqual([])
  expect({ code, said: code === 0 ? [] : lines }).toEqual({ code: 0, said: [] })
  expect(report.numPassedTests).toBeGreaterThan(250)
})

it('of those that look into ws each is named here, and there', () => {
  expect(titlesThat('skipped', 'pending', 'todo').sort()).toEqual(
    LEFT_OUT.flatMap(({ titles }) => titles).sort(),
  )
})

it('it is uWebSockets.js itself, and not the copy in JavaScript that its package falls back to', () => {
  expect(lines.filter((line) => /falling back|fallback implementation/iu.test(line))).toEqual([])
})
