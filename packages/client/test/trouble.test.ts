import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fc from 'fast-check'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'
import { playTrouble, type Step, type Tally } from './support/trouble.js'

const HISTORIES = Number(process.env.TROUBLES ?? 300)

const oneOf = <const T>(...values: readonly T[]) => fc.constantFrom(...values)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: oneOf('pass'), ms: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 4, arbitrary: fc.record({ do: oneOf('pass'), ms: fc.integer({ min: 1, max: 300 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: oneOf('jump'), ms: fc.integer({ min: -7_200_000, max: 7_200_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: oneOf('sleep'), ms: fc.integer({ min: 1_000, max: 120_000 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: oneOf('token'),
      mode: oneOf('ok', 'ok', 'ok', 'throws', 'hangs', 'stale', 'garbage'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: oneOf('storage'), mode: oneOf('ok', 'throws', 'hangs') }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: oneOf('callback'), mode: oneOf('ok', 'ok', 'throws', 'closes', 'connects') }),
  },
  { weight: 2, arbitrary: fc.record({ do: oneOf('switch'), how: oneOf('silently', 'close', 'leave') }) },
  { weight: 6, arbitrary: fc.record({ do: oneOf('line'), what: oneOf('cut', 'hangs', 'mute', 'deaf') }) },
  { weight: 1, arbitrary: fc.record({ do: oneOf('opening'), what: oneOf('hangs') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: oneOf('server'),
      what: oneOf('killed', 'frozen'),
      ms: fc.integer({ min: 10, max: 20_000 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: oneOf('app'),
      what: oneOf(
        'connect',
        'connect',
        'close',
        'leave',
        'foreground',
        'foreground',
        'foreground',
        'background',
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: oneOf('type'), in: fc.nat(2), isStart: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: oneOf('watch'), who: fc.nat(2), isEnd: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: oneOf('contact'), who: fc.nat(2), what: oneOf('comes', 'goes', 'types') }),
  },
)
const histories = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }),
  isOpaque: oneOf(false, false, true),
})

type Loaded = Parameters<typeof playTrouble>[1]

interface Mutant {
  readonly name: string
  readonly file?: string
  readonly from?: string
  readonly to?: string
  /** Of the server. */
  readonly takesAnyPosition?: boolean
}

const MUTANTS: readonly Mutant[] = [
  { name: 'a position without its user', takesAnyPosition: true },
  {
    name: 'a picture that is kept over a switch',
    file: 'connection.ts',
    from: 'if (!isSame) options.otherUser()',
    to: 'void isSame',
  },
  {
    name: "a message that goes into Socket.IO's own buffer",
    file: 'transport.ts',
    from: 'if (socket.sendBuffer.length > kept) socket.sendBuffer.splice(kept)',
    to: 'void kept',
  },
  {
    name: 'a leave that ends whatever there is when it is answered',
    file: 'connection.ts',
    from: 'await over',
    to: "await over\n      if (state.name !== 'closed') finish('left')",
  },
  {
    name: 'a probe that is not awaited',
    file: 'connection.ts',
    from: "if (run === mine) tryLater('timeout')",
    to: 'void tryLater',
  },
  {
    name: 'an onError that may break what reports',
    file: 'client.ts',
    from: 'throwOutside(thrown)',
    to: 'throw thrown',
  },
]

const source = fileURLToPath(new URL('../src/', import.meta.url))
const cache = fileURLToPath(new URL('../node_modules/.cache/mutants/', import.meta.url))

/** The client with one passage exchanged, and with a model of `socket.io-client` in the place of the real one. */
async function load(mutant?: Mutant): Promise<Loaded> {
  const folder = join(cache, `${mutant?.name.replaceAll(/\W/g, '-') ?? 'none'}-${process.pid}`)
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, 'fake-io.mjs'),
    'export const io = (...given) => globalThis.vigieFakeIo(...given)\n',
  )
  for (const file of await readdir(source)) {
    if (!file.endsWith('.ts')) continue
    let text = await readFile(join(source, file), 'utf8')
    if (file === mutant?.file) {
      expect(text.split(mutant.from!).length, `"${mutant.from}" stands once in ${file}`).toBe(2)
      text = text.replace(mutant.from!, mutant.to!)
    }
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    })
    const compiled = outputText
      .replaceAll(/(from '\.[^']*)\.js'/g, "$1.mjs'")
      .replace("from 'socket.io-client'", "from './fake-io.mjs'")
    await writeFile(join(folder, file.replace(/\.ts$/, '.mjs')), compiled)
  }
  const at = (name: string) => pathToFileURL(join(folder, name)).href
  const { createClient } = (await import(/* @vite-ignore */ at('client.mjs'))) as Loaded
  const { socketIoTransport } = (await import(/* @vite-ignore */ at('transport.mjs'))) as Loaded
  return { createClient, socketIoTransport }
}

afterAll(() => rm(cache, { recursive: true, force: true }))

it(`keeps every promise over ${HISTORIES} histories of trouble`, async () => {
  const client = await load()
  const tally: Tally = {}
  await fc.assert(
    fc.asyncProperty(histories, ({ steps, isOpaque }) => playTrouble(steps, client, tally, { isOpaque })),
    { numRuns: HISTORIES },
  )
  // Histories in which nothing happens prove nothing.
  for (const [what, times] of Object.entries(tally)) expect(times, what).toBeGreaterThanOrEqual(20)
}, 600_000)

/** Vitest fails a run for a rejection that nobody handles. Here it is what a mutant is noticed by. */
async function withRejections<Result>(run: () => Promise<Result>) {
  const listeners = process.listeners('unhandledRejection')
  const rejections: unknown[] = []
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', (reason) => rejections.push(reason))
  try {
    const result = await run()
    // A rejection is told after the turn in which it happened.
    await new Promise((resolve) => void setImmediate(resolve))
    return { result, rejections }
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of listeners) process.on('unhandledRejection', listener)
  }
}

describe('histories of trouble notice', () => {
  it.each(MUTANTS)(
    '$name',
    async (mutant) => {
      const client = await load(mutant)
      const { takesAnyPosition = false } = mutant
      const { result, rejections } = await withRejections(() =>
        fc.check(
          fc.asyncProperty(histories, ({ steps, isOpaque }) =>
            playTrouble(steps, client, {}, { takesAnyPosition, isOpaque }),
          ),
          { numRuns: 1_000, endOnFailure: true },
        ),
      )
      expect(result.failed || rejections.length > 0).toBe(true)
    },
    120_000,
  )
})
