/** One decides both: whatever happened, the digest of a client's picture is the server's, if and only if the picture is right. */
import fc from 'fast-check'
import { deepStrictEqual, notDeepStrictEqual } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type {
  ConversationId,
  DeviceId,
  DigestAnswer,
  DigestQuestion,
  GroupId,
  PresenceState,
  SessionId,
  UserId,
} from '@vigie/protocol'
import {
  createEngine,
  resolveSettings,
  type Effect,
  type Engine,
  type Input,
  type KnownRoom,
  type PresenceEvent,
} from '../../server/src/core/index.js'
import { cut } from '../../server/src/socketio/frames.js'
import { play } from '../../server/src/testing/index.js'
import { allHistories, worldSettings } from '../../server/test/support/histories.js'
import { digestOf } from '../src/digest.js'
import { apply, begin, EMPTY_SYNC, setWatched, type Frame, type Picture, type Sync } from '../src/sync.js'

/** A client of protocol 2, as its own code has it; and one that makes a mistake. */
interface Audited {
  readonly userId: UserId
  right: Sync
  wrong: Sync
  frames: number
}

/** What a client does wrong with a frame. */
interface Mutant {
  readonly name: string
  readonly receive: (sync: Sync, frame: Frame, place: number) => Sync
}

const rightly = (sync: Sync, frame: Frame) => apply(sync, frame).sync

const withPicture = (sync: Sync, picture: Partial<Picture>): Sync => ({
  ...sync,
  picture: { ...sync.picture, ...picture },
})

const MUTANTS: readonly Mutant[] = [
  {
    name: 'drops each fifth diff',
    receive: (sync, frame, place) =>
      frame.name === 'presence:diff' && place % 5 === 4 ? sync : rightly(sync, frame),
  },
  {
    name: 'takes only the position of each third diff',
    receive: (sync, frame, place) =>
      frame.name === 'presence:diff' && place % 3 === 2 && frame.payload.at
        ? withPicture(sync, { at: frame.payload.at })
        : rightly(sync, frame),
  },
  {
    name: 'keeps people who went offline',
    receive: (sync, frame) =>
      rightly(
        sync,
        frame.name === 'presence:diff' && frame.payload.users
          ? {
              ...frame,
              payload: { ...frame.payload, users: frame.payload.users.filter(([, count]) => count > 0) },
            }
          : frame,
      ),
  },
  {
    name: 'keeps people who are out of sight',
    receive(sync, frame) {
      const next = rightly(sync, frame)
      const users = next.picture.users.next()
      for (const [id, count] of sync.picture.users)
        if (count > 0 && !users.has(id) && !next.picture.unheard.has(id)) users.set(id, count)
      return withPicture(next, { users })
    },
  },
  {
    name: 'adds counts where it should replace them',
    receive: (sync, frame) =>
      rightly(
        sync,
        frame.name === 'presence:diff' && frame.payload.users
          ? {
              ...frame,
              payload: {
                ...frame.payload,
                users: frame.payload.users.map(
                  ([id, count]) => [id, count && count + (sync.picture.users.get(id) ?? 0)] as const,
                ),
              },
            }
          : frame,
      ),
  },
  {
    name: 'merges who types',
    receive(sync, frame) {
      if (frame.name !== 'presence:diff') return rightly(sync, frame)
      const conversations = frame.payload.conversations?.map((change) =>
        change.typing
          ? {
              ...change,
              typing: [
                ...new Set([...change.typing, ...(sync.picture.conversations.get(change.id)?.typing ?? [])]),
              ],
            }
          : change,
      )
      return rightly(sync, {
        ...frame,
        payload: { ...frame.payload, ...(conversations && { conversations }) },
      })
    },
  },
  {
    name: 'keeps conversations that are gone',
    receive(sync, frame) {
      if (frame.name !== 'presence:diff') return rightly(sync, frame)
      const conversations = frame.payload.conversations?.filter(({ gone }) => !gone)
      return rightly(sync, {
        ...frame,
        payload: { ...frame.payload, ...(conversations && { conversations }) },
      })
    },
  },
]
const RIGHT: Mutant = { name: 'makes no mistake', receive: rightly }

interface Tally {
  compared: number
  different: number
}

/** What the picture says, for a test that must not go by hashes. */
function plain({ at, users, unheard, groups, conversations, devices }: Picture): unknown {
  const rooms = (map: Picture['groups'] | Picture['conversations']) =>
    [...(map as Picture['groups'])].map(([id, { mode, members, online, roster, typing }]) => [
      id,
      mode,
      members,
      mode === 'count' ? online : [...roster].sort(),
      [...typing].sort(),
    ])
  return {
    at,
    users: [...users].filter(([id]) => !unheard.has(id)).sort(),
    groups: rooms(groups).sort(),
    conversations: rooms(conversations).sort(),
    devices,
  }
}

/** The engine, with clients of protocol 2 that are told what it tells, and asked for their digests whenever somebody could. */
function audited(mutant: Mutant, tally: Tally): typeof createEngine {
  return (...given) => {
    const engine = createEngine(...given)
    const clients = new Map<SessionId, Audited>()
    /** Of those who may come back with their position. */
    const gone: Audited[] = []
    let nonce = 0

    function begins({ sessionId, userId, position, protocol }: Extract<Input, { type: 'connect' }>): void {
      if (protocol !== 2) return
      const last = [...clients.values(), ...gone]
        .filter((each) => each.userId === userId && position && each.right.picture.at?.[1] === position[1])
        .at(-1)
      clients.set(sessionId, {
        userId,
        right: last ? begin(last.right) : EMPTY_SYNC,
        wrong: last ? begin(last.wrong) : EMPTY_SYNC,
        frames: 0,
      })
    }

    function watches({ sessionId, add, remove }: Extract<Input, { type: 'watch' }>): void {
      const client = clients.get(sessionId)
      if (!client) return
      for (const which of ['right', 'wrong'] as const) {
        const watched = new Set([...client[which].watched, ...add])
        for (const id of remove) watched.delete(id)
        client[which] = setWatched(client[which], watched).sync
      }
    }

    function receive(client: Audited, event: PresenceEvent): void {
      // Small frames: what is told is cut into several.
      for (const frame of cut(event, 600) as readonly Frame[]) {
        client.right = rightly(client.right, frame)
        client.wrong = mutant.receive(client.wrong, frame, client.frames++)
      }
    }

    function compareAll(): void {
      for (const [sessionId, client] of clients) {
        const expected = engine.digest(sessionId, `nonce ${++nonce}`)
        if (!expected) continue
        const rooms = (hashes: readonly number[]) => [...hashes].sort((a, b) => a - b)
        const told = { ...expected, rooms: rooms(expected.rooms.map(({ hash }) => hash)) }
        const answer = (sync: Sync) => {
          const digest = digestOf(sync.picture, `nonce ${nonce}`)
          return { userId: client.userId, ...digest, rooms: rooms(digest.rooms) }
        }
        tally.compared++
        deepStrictEqual(answer(client.right), told, `the picture of ${client.userId}`)
        try {
          deepStrictEqual(plain(client.wrong.picture), plain(client.right.picture))
        } catch {
          tally.different++
          notDeepStrictEqual(answer(client.wrong), told, `the wrong picture of ${client.userId}`)
        }
      }
    }

    return {
      ...engine,
      apply(input, now): readonly Effect[] {
        if (input.type === 'connect') begins(input)
        if (input.type === 'watch') watches(input)
        const effects = engine.apply(input, now)
        for (const effect of effects) if (effect.type === 'close') end(effect.sessionId)
        if (input.type === 'lost' || input.type === 'disconnected') end(input.sessionId)
        compareAll()
        return effects
      },
      take(due, now) {
        const events = engine.take(due, now)
        const client = clients.get(due.id)
        if (client) for (const event of events) receive(client, event)
        compareAll()
        return events
      },
    } satisfies Engine

    function end(sessionId: SessionId): void {
      const client = clients.get(sessionId)
      if (client) gone.push(client)
      clients.delete(sessionId)
    }
  }
}

function playAll(mutant: Mutant, numRuns: number, tally: Tally = { compared: 0, different: 0 }): Tally {
  fc.assert(
    fc.property(allHistories, (history) => {
      play(history, audited(mutant, tally), worldSettings)
    }),
    { numRuns },
  )
  return tally
}

/** So many wrong pictures have to be seen: of some mistakes few histories are a test. */
const WRONG_MIN = 20
const ROUNDS_MAX = 40

/** The example of docs/protocol.md: what the server tells, its question, the texts that are hashed, and the answer. */
async function exampleOfDocument() {
  const page = await readFile(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
  const [section = ''] = /^### A digest of the picture$.*?(?=^##+ )/msu.exec(page) ?? []
  const blocks = [...section.matchAll(/^```(json|text)\n(.*?)\n```$/gmsu)].map(([, kind, text = '']) => ({
    kind,
    text,
  }))
  const [state, question, answer] = blocks
    .filter(({ kind }) => kind === 'json')
    .map(({ text }) => JSON.parse(text) as unknown)
  const texts = blocks.flatMap(({ kind, text }) => (kind === 'text' ? [text] : []))
  return {
    state: state as PresenceState,
    question: question as DigestQuestion,
    answer: answer as DigestAnswer,
    texts,
  }
}

/** Another FNV-1a than those of the sources, as its authors describe it. */
function fnv1a(bytes: Iterable<number>): number {
  let hash = 2_166_136_261n
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 16_777_619n) % 2n ** 32n
  return Number(hash)
}

describe('the example of docs/protocol.md', () => {
  it('is hashed as the document says', async () => {
    // Of those who made the function.
    expect(fnv1a(Buffer.from('foobar'))).toBe(0xbf9cf968)
    const { question, texts, answer } = await exampleOfDocument()
    const hashes = texts.map((text) => fnv1a(Buffer.from(text, 'utf16le')))
    expect(texts.every((text) => text.startsWith(`${question.nonce}\n`))).toBe(true)
    expect(hashes).toEqual([...answer.rooms, answer.others, answer.devices])
  })

  it('is what the client answers', async () => {
    const { state, question, answer } = await exampleOfDocument()
    const told = apply(EMPTY_SYNC, { name: 'presence:state', payload: state }).sync
    expect(digestOf(setWatched(told, new Set(['éva' as UserId])).sync.picture, question.nonce)).not.toEqual(
      answer,
    )
    const watching = apply(setWatched(told, new Set(['éva' as UserId])).sync, {
      name: 'presence:diff',
      payload: { at: answer.at!, users: [['éva' as UserId, 1]] },
    }).sync
    expect(digestOf(watching.picture, question.nonce)).toEqual(answer)
  })

  it('is what the server expects', async () => {
    const { state, question, answer } = await exampleOfDocument()
    const engine = createEngine(
      resolveSettings({ namesMax: 3, windowMs: 0, occupancyWindowMs: 0 }),
      state.at![0],
    )
    const told: PresenceEvent[] = []
    const happens = (input: Input, now: number) => {
      for (const effect of engine.apply(input, now))
        if (effect.type === 'due') for (const due of effect.sessions) told.push(...engine.take(due, now))
    }
    const plan: KnownRoom = {
      kind: 'conversation',
      id: 'plan' as ConversationId,
      value: ['ann', 'ben', 'cid'] as UserId[],
    }
    const everyone: KnownRoom = { kind: 'group', id: 'everyone' as GroupId, value: 300 }
    const connects = (userId: string, sessionId: string, rooms: readonly KnownRoom[], protocol: 1 | 2 = 1) =>
      happens(
        {
          type: 'connect',
          sessionId: sessionId as SessionId,
          userId: userId as UserId,
          rooms,
          protocol,
          deviceId: 'phone' as DeviceId,
          label: 'Ann’s phone',
          since: 1_790_000_000_000,
        },
        0,
      )
    connects('éva', 's1', [everyone])
    connects('ben', 's2', [plan])
    happens(
      {
        type: 'typing',
        sessionId: 's2' as SessionId,
        conversationId: plan.id,
        typing: true,
      },
      0,
    )
    told.length = 0
    connects('ann', 's3', [everyone, plan], 2)
    expect(engine.digest('s2' as SessionId, question.nonce), 'protocol 1').toBeUndefined()
    expect(told).toContainEqual({ name: 'presence:state', payload: state })
    happens({ type: 'watch', sessionId: 's3' as SessionId, add: ['éva' as UserId], remove: [] }, 1)
    const digest = engine.digest('s3' as SessionId, question.nonce)!
    expect({ ...digest, rooms: digest.rooms.map(({ hash }) => hash) }).toEqual({ userId: 'ann', ...answer })
    happens({ type: 'window', ms: 1_000 }, 2)
    engine.apply({ type: 'stopTyping', userId: 'ben' as UserId }, 3)
    expect(engine.digest('s3' as SessionId, question.nonce), 'something is pending').toBeUndefined()
  })
})

describe('over random histories', () => {
  it('a client that makes no mistake never differs', () => {
    const { compared, different } = playAll(RIGHT, 200)
    expect(compared).toBeGreaterThan(10_000)
    expect(different).toBe(0)
  }, 120_000)

  it.each(MUTANTS)(
    'a client that $name is found whenever its picture is wrong',
    (mutant) => {
      const tally = playAll(mutant, 60)
      for (let round = 1; tally.different < WRONG_MIN && round < ROUNDS_MAX; round++)
        playAll(mutant, 60, tally)
      expect(tally.different).toBeGreaterThanOrEqual(WRONG_MIN)
    },
    120_000,
  )
})
