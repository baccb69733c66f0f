/** The session that docs/protocol.md shows is played to a server, which must say what the document says, to the letter. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { connectRaw, type RawConnection } from '../support/raw.js'
import { createPlaceholders, readTranscript, type Line } from '../support/transcript.js'
import { startWire, token } from '../support/wire.js'

const PAGE = new URL('../../../../docs/protocol.md', import.meta.url)
const HEADING = '### A session, packet by packet'

/** A limit for what never comes, not a measure. */
const LIMIT_MS = 3_000
/** Above `namesMax`. */
const CROWD = 300

/** Somebody of the document, on the connection that they have now. */
interface Person {
  raw: RawConnection
  /** How many frames of it have been compared. */
  read: number
}

/** What the document says about its server; all else is as it comes. */
async function startServer() {
  const crowd = Array.from({ length: CROWD - 3 }, (_, n) => `fan-${n}`)
  return startWire({
    rows: {
      groups: [['everyone', ['ann', 'ben', 'cid', ...crowd]]],
      conversations: [['plan', ['ann', 'ben']]],
    },
    server: { pingInterval: 25_000 },
    presence: { graceMs: 5_000, reattachGraceMs: 15_000, windowMs: 20, occupancyWindowMs: 0 },
  })
}

const isAnswer = (frame: string) => /^43\d/u.test(frame)

test('the session in docs/protocol.md is what a server and its clients say to each other', async () => {
  const lines = readTranscript(await readFile(PAGE, 'utf8'), HEADING)
  expect(new Set(lines.map(({ does }) => does))).toEqual(new Set(['opens', 'sends', 'hears', 'loses']))
  await using wire = await startServer()
  await wire.connect('cid')
  const placeholders = createPlaceholders({ "ann's token": token('ann'), "ben's token": token('ben') })
  const people = new Map<string, Person>()
  const personOf = (who: string) => {
    const person = people.get(who)
    if (!person) throw new Error(`${who} has no connection yet.`)
    return person
  }

  async function frames(who: string, count: number): Promise<readonly string[]> {
    const person = personOf(who)
    const unread = () => person.raw.frames.slice(person.read)
    await withLimit(
      person.raw.until(() => unread().length >= count),
      () => `${who} should hear ${count} frames, and heard ${JSON.stringify(unread())}`,
    )
    const taken = unread().slice(0, count)
    person.read += count
    return taken
  }

  /** The answer to a message may come before or after what the message has caused. */
  async function hear(who: string, expected: readonly string[]): Promise<void> {
    const actual = await frames(who, expected.length)
    for (const isWanted of [isAnswer, (frame: string) => !isAnswer(frame)]) {
      const [wanted, got] = [expected.filter(isWanted), actual.filter(isWanted)]
      const areSame =
        wanted.length === got.length && wanted.every((frame, n) => placeholders.matches(frame, got[n]!))
      // Compared once more as texts, for the sake of the difference that is then printed.
      if (!areSame) expect(got, `what ${who} is told`).toEqual(wanted)
    }
  }

  for (const { line, heard } of steps(lines)) {
    switch (line.does) {
      case 'opens':
        people.set(line.who, { raw: await connectRaw(wire.url, line.path), read: 0 })
        break
      case 'sends':
        personOf(line.who).raw.send(placeholders.fill(line.frame))
        break
      case 'loses': {
        const { raw } = personOf(line.who)
        const connections = wire.io.engine.clientsCount
        raw[Symbol.dispose]()
        await wire.until(`the loss of ${line.who}`, () => wire.io.engine.clientsCount < connections)
        break
      }
      case 'hears':
        await hear(line.who, heard)
    }
  }
  for (const [who, { raw, read }] of people) {
    expect(raw.frames.slice(read), `what ${who} heard beyond the document`).toEqual([])
  }
  expectChance(placeholders.values)
})

/** Frames that stand together for the same person are one step: what order they have is looked at as a whole. */
function* steps(lines: readonly Line[]): Generator<{ line: Line; heard: readonly string[] }> {
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const heard: string[] = []
    if (line.does === 'hears') {
      for (let next = lines[at]; next?.does === 'hears' && next.who === line.who; next = lines[++at]) {
        heard.push(next.frame)
      }
      at--
    }
    yield { line, heard }
  }
}

/** Each connection and session has an id of its own, and Ann's positions rise in the order in which she is told them. */
function expectChance(values: ReadonlyMap<string, string>): void {
  const named = (pattern: RegExp) =>
    [...values].filter(([name]) => pattern.test(name)).map(([, value]) => value)
  const ids = named(/^(connection|session) \d$/u)
  expect(new Set(ids).size).toBe(ids.length)
  const positions = named(/^n\d$/u).map(Number)
  expect(positions.length).toBeGreaterThan(3)
  expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b))
}

function withLimit<Value>(work: Promise<Value>, story: () => string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(story())), LIMIT_MS)
    work.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}
