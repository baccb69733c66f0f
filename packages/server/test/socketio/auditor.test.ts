import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConversationId, SessionId, UserId } from '@vigie/protocol'
import {
  createEngine,
  resolveSettings,
  type Engine,
  type Input,
  type KnownRoom,
  type KnownRooms,
  type Place,
} from '../../src/core/index.js'
import { createAuditor, HEARD_WITHIN_MS, SUSPECTS_MAX } from '../../src/socketio/auditor.js'
import { play } from '../../src/testing/history.js'
import { allHistories, worldSettings } from '../support/histories.js'

const AUDIT_MS = 60_000
const ann = 'ann' as UserId
const bob = 'bob' as UserId

interface Line {
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * What a shell knows beside an engine: its sockets, and the rows that were read last, by the inputs that it gives. All that
 * the auditor would change is noted down, and done.
 */
function createShell(engine: Engine, now: () => number, engineNow = now) {
  const sockets = new Map<SessionId, { readonly id: SessionId }>()
  const held = new Map<string, KnownRoom>()
  const own = new Map<UserId, KnownRooms>()
  const misplaced = new Set<SessionId>()
  const repairs: string[] = []
  const log: Line[] = []
  const keyOf = ({ kind, id }: KnownRoom) => `${kind} ${id}`

  function hold(rooms: KnownRooms): void {
    for (const room of rooms) if (room.value !== undefined) held.set(keyOf(room), room)
  }

  /** As the shell would have come to it. */
  function note(input: Input): void {
    if (input.type === 'connect') {
      sockets.set(input.sessionId, { id: input.sessionId })
      own.set(input.userId, input.rooms)
      hold(input.rooms)
    } else if (input.type === 'memberships') {
      if (own.has(input.userId)) own.set(input.userId, input.rooms)
      hold(input.rooms)
    } else if (input.type === 'rooms') hold(input.rooms.filter((room) => held.has(keyOf(room))))
    else if (input.type === 'lost' || input.type === 'disconnected') sockets.delete(input.sessionId)
  }

  function apply(input: Input) {
    note(input)
    const effects = engine.apply(input, engineNow())
    for (const effect of effects) {
      if (effect.type === 'close') sockets.delete(effect.sessionId)
      else if (effect.type === 'forget') own.delete(effect.userId)
    }
    if (input.type === 'memberships' || effects.some(({ type }) => type === 'forget')) release()
    return effects
  }

  function release(): void {
    const named = new Set([...own.values()].flatMap((rooms) => rooms.map(keyOf)))
    for (const key of held.keys()) if (!named.has(key)) held.delete(key)
  }

  const auditor = createAuditor(
    {
      audit: engine.audit,
      accept(input) {
        repairs.push(input.type)
        apply(input)
      },
      rows: {
        heldRooms: () => held.values(),
        rooms: (userId) => own.get(userId),
        pin(userId) {
          repairs.push(`pin ${userId}`)
          own.set(userId, [...held.values()])
        },
        sizes: () => ({ heldRooms: held.size }),
      },
      sockets: {
        all: () => sockets.values(),
        size: () => sockets.size,
        idOf: ({ id }) => id,
        isExpected: () => true,
        cut({ id }) {
          repairs.push(`cut ${id}`)
          sockets.delete(id)
        },
        isConnected: (id) => sockets.has(id),
        lose(id) {
          repairs.push(`lose ${id}`)
          apply({ type: 'lost', sessionId: id })
        },
      },
      rooms: {
        isRight: (id) => !misplaced.has(id),
        repair(id) {
          repairs.push(`place ${id}`)
          misplaced.delete(id)
        },
      },
    },
    {
      auditMs: AUDIT_MS,
      now,
      log: {
        debug() {},
        info() {},
        warn: (message, fields = {}) => log.push({ message, fields }),
        error: (message, fields = {}) => log.push({ message, fields }),
      },
    },
  )
  return { apply, auditor, sockets, held, own, misplaced, repairs, log }
}

/** Ann and Bob in one conversation, each with a session, and an auditor whose time is the test's. */
function start() {
  const engine = createEngine(resolveSettings({ graceMs: 1_000 }))
  let time = 0
  const shell = createShell(engine, () => time)
  const rooms: KnownRooms = [{ kind: 'conversation', id: 'c' as ConversationId, value: [ann, bob] }]
  const connect = (userId: UserId, id: string, known = rooms) =>
    shell.apply({ type: 'connect', sessionId: id as SessionId, userId, rooms: known, since: 0 })
  connect(ann, 'a')
  connect(bob, 'b')
  function pass(ms: number): void {
    for (const end = time + ms; time < end;) {
      time += shell.auditor.turnMs
      shell.auditor.turn()
    }
  }
  return { engine, ...shell, connect, pass }
}

const NONE = { sockets: 0, sessions: 0, rosters: 0, published: 0, rooms: 0 }

describe('the auditor finds within one round, counts, repairs and explains', () => {
  it('a session without a connection', () => {
    const { sockets, pass, auditor, repairs, log, engine } = start()
    sockets.delete('a' as SessionId)
    pass(AUDIT_MS)
    expect(auditor.ghosts()).toEqual({ ...NONE, sessions: 1 })
    expect(repairs).toEqual(['lose a'])
    expect(log).toEqual([
      {
        message: expect.stringMatching(/^A session had no connection any more/) as string,
        fields: { place: 'sessions', sessionId: 'a' },
      },
    ])
    expect(engine.explain(ann, { wallTime: (at) => at })).toMatchObject({
      sessions: [{ state: 'lost' }],
      transitions: [{ reason: 'lost' }, { reason: 'connected' }],
    })
  })

  it('a connection without a session', () => {
    const { engine, pass, auditor, repairs, log } = start()
    engine.apply({ type: 'leave', sessionId: 'a' as SessionId, scope: 'session' }, 0)
    pass(AUDIT_MS)
    expect(auditor.ghosts()).toEqual({ ...NONE, sockets: 1 })
    expect(repairs).toEqual(['cut a'])
    expect(log[0]?.message).toMatch(/^A connection had no session any more/)
  })

  it('a roster that is not what was read', () => {
    const { engine, pass, auditor, repairs, log } = start()
    const wrong: KnownRooms = [{ kind: 'conversation', id: 'c' as ConversationId, value: [ann] }]
    engine.apply({ type: 'rooms', rooms: wrong }, 0)
    pass(AUDIT_MS)
    expect(auditor.ghosts()).toEqual({ ...NONE, rosters: 1 })
    expect(repairs).toEqual(['rooms'])
    expect(engine.members({ kind: 'conversation', id: 'c' as ConversationId })).toEqual([ann, bob])
    expect(log[0]?.fields).toEqual({ place: 'rosters', kind: 'conversation', id: 'c' })
  })

  it('memberships of a user that are not what was read, or that nobody reads', () => {
    const { engine, own, pass, auditor, repairs } = start()
    engine.apply({ type: 'memberships', userId: ann, rooms: [] }, 0)
    own.delete(bob)
    pass(AUDIT_MS)
    expect(auditor.ghosts()).toEqual({ ...NONE, rosters: 2 })
    expect(repairs.sort()).toEqual(['memberships', 'pin bob'])
  })

  it('a socket in wrong rooms', () => {
    const { misplaced, pass, auditor, repairs } = start()
    misplaced.add('b' as SessionId)
    pass(AUDIT_MS)
    expect(auditor.ghosts()).toEqual({ ...NONE, rooms: 1 })
    expect(repairs).toEqual(['place b'])
  })

  it('rows that changed, and no feed said so', () => {
    const { pass, auditor, repairs, log } = start()
    auditor.found({ kind: 'user', id: ann })
    pass(HEARD_WITHIN_MS + 100)
    expect(auditor.ghosts()).toEqual({ ...NONE, rosters: 1 })
    // The slow re-read has told the engine already.
    expect(repairs).toEqual([])
    expect(log).toEqual([
      {
        message: expect.stringMatching(/^Rows had changed, and no change feed said so/) as string,
        fields: { place: 'rosters', kind: 'user', id: 'ann' },
      },
    ])
  })
})

describe('the auditor takes for no ghost', () => {
  it('what is gone at the second look', () => {
    const { sockets, pass, auditor, repairs } = start()
    const socket = { id: 'a' as SessionId }
    sockets.delete(socket.id)
    // Long enough for a first look at each, too short for a second one.
    pass(300)
    sockets.set(socket.id, socket)
    pass(AUDIT_MS)
    expect([auditor.ghosts(), repairs]).toEqual([NONE, []])
  })

  it.each<[string, Place, Parameters<ReturnType<typeof start>['auditor']['heard']>[0]]>([
    ['a user', { kind: 'user', id: ann }, { users: [ann], groups: [], conversations: [] }],
    [
      'a conversation',
      { kind: 'conversation', id: 'c' as ConversationId },
      { users: [], groups: [], conversations: ['c' as ConversationId] },
    ],
    ['everything', { kind: 'user', id: ann }, 'all'],
  ])('rows that the slow re-read found before the feed named %s', (_name, place, stale) => {
    const { pass, auditor } = start()
    auditor.found(place)
    pass(1_000)
    auditor.heard(stale)
    pass(AUDIT_MS)
    expect(auditor.ghosts()).toEqual(NONE)
  })

  it('anything that happens in random histories; and of what is planted in them, it finds one', () => {
    let looks = 0
    let planted = 0
    fc.assert(
      fc.property(allHistories, (history) => {
        let now = 0
        let time = 0
        let shell: ReturnType<typeof createShell> | undefined
        /** A whole round, second looks included, as quickly as the auditor allows. */
        const round = ({ auditor }: ReturnType<typeof createShell>) => {
          for (const end = time + 0.7 * AUDIT_MS; time < end;) {
            time += 5 * auditor.turnMs
            auditor.turn()
            looks++
          }
        }
        const audited = (settings: typeof worldSettings) => {
          const engine = createEngine(settings)
          const made = createShell(
            engine,
            () => time,
            () => now,
          )
          shell = made
          return {
            ...engine,
            apply(input: Input, at: number) {
              now = at
              const effects = made.apply(input)
              round(made)
              expect([made.repairs, made.log]).toEqual([[], []])
              return effects
            },
          }
        }
        play(history, audited, worldSettings)
        if (!shell) return
        const { sockets, auditor, repairs } = shell
        expect(auditor.ghosts()).toEqual(NONE)
        const [id] = sockets.keys()
        if (id === undefined) return
        planted++
        sockets.delete(id)
        round(shell)
        expect([repairs, auditor.ghosts()]).toEqual([[`lose ${id}`], { ...NONE, sessions: 1 }])
      }),
      { numRuns: Number(process.env.HISTORIES ?? 150) },
    )
    expect(planted).toBeGreaterThan(20)
    expect(looks).toBeGreaterThan(100_000)
  }, 120_000)
})

describe('a round of the auditor', () => {
  it('looks at everybody once, and at as many in each turn', () => {
    const { connect, pass, auditor, engine } = start()
    for (let n = 0; n < 1_198; n++) connect(`u${n}` as UserId, `s${n}`, [])
    const looked = new Map<string, number>()
    const { audit } = engine
    const isPublished = audit.isPublished
    let inTurn = 0
    audit.isPublished = (place) => {
      if (place.kind === 'user') {
        looked.set(place.id, (looked.get(place.id) ?? 0) + 1)
        inTurn++
      }
      return isPublished(place)
    }
    const counts: number[] = []
    for (let turn = 0; turn < AUDIT_MS / 2 / auditor.turnMs; turn++) {
      pass(auditor.turnMs)
      counts.push(inTurn)
      inTurn = 0
    }
    expect([looked.size, Math.max(...looked.values())]).toEqual([1_200, 1])
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(1_200 / counts.length) + 1)
  })

  it('looks at no more than a few turns’ worth after the process stood still', () => {
    const { connect, engine } = start()
    for (let n = 0; n < 1_198; n++) connect(`u${n}` as UserId, `s${n}`, [])
    let time = 0
    const { auditor } = createShell(engine, () => time)
    let looked = 0
    engine.audit.isPublished = () => {
      looked++
      return true
    }
    time = 10 * AUDIT_MS
    auditor.turn()
    expect(looked).toBeLessThanOrEqual(5 * Math.ceil((1_200 * auditor.turnMs) / (AUDIT_MS / 2)) + 1)
  })

  it('says one sentence a turn, however many there are, and forgets the round before the last', () => {
    const { connect, pass, auditor, sockets, log } = start()
    for (let n = 0; n < 98; n++) connect(`u${n}` as UserId, `s${n}`, [])
    sockets.clear()
    pass(AUDIT_MS)
    expect(auditor.ghosts().sessions).toBe(100)
    expect(auditor.repaired).toBe(100)
    expect(log.length).toBeLessThanOrEqual(AUDIT_MS / 2 / auditor.turnMs)
    const more = log.reduce((sum, { fields }) => sum + Number(fields.more ?? 0), 0)
    expect(log.length + more).toBe(100)
    pass(2 * AUDIT_MS)
    expect(auditor.ghosts()).toEqual(NONE)
    expect(auditor.repaired).toBe(100)
  })

  it('leaves differences beyond SUSPECTS_MAX to a later round', () => {
    const { connect, pass, auditor, sockets } = start()
    const count = 8 * SUSPECTS_MAX
    for (let n = 2; n < count; n++) connect(`u${n}` as UserId, `s${n}`, [])
    sockets.clear()
    // More are looked at in the first 4.5 s, and would be looked at again 5 s later.
    pass(9_500)
    expect(auditor.ghosts().sessions).toBe(SUSPECTS_MAX)
    pass(2 * AUDIT_MS)
    expect(auditor.repaired).toBe(count)
  })
})
