import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DIGEST_ROOMS_MAX, type ConversationId, type SessionId, type UserId } from '@vigie/protocol'
import { createEngine, resolveSettings, silentLog, type SessionDigest } from '../../src/core/index.js'
import { createShellCounts } from '../../src/host/shell-counts.js'
import { CLIENT_AUDIT_SAMPLE_DEFAULT, CLIENT_AUDIT_SAMPLE_MAX } from '../../src/host/server-api.js'
import {
  ANSWER_WITHIN_MS,
  BEGIN_WITHIN_MS,
  createClientAuditor,
  DIFFERENT_ROOMS_MAX,
  QUIET_EVERY_MS,
  QUIET_LOOKS_MAX,
  SECOND_LOOK_MS,
} from '../../src/socketio/client-audit.js'

const at = ['epoch', 7] as const

/** Told of these rooms, by their hashes. */
function told(...hashes: readonly number[]): SessionDigest {
  const rooms = hashes.map((hash) => ({
    name: { kind: 'conversation', id: `c${hash}` as ConversationId } as const,
    hash,
  }))
  return { userId: 'ann' as UserId, at, rooms, others: 1, devices: 2 }
}

const answerOf = (...rooms: readonly number[]) => ({ at, rooms, others: 1, devices: 2 })

interface Fake {
  /** What it was told, at each look; the last stays. `undefined`: something is pending. */
  readonly told?: readonly (SessionDigest | undefined)[]
  /** What it answers, to each question; the last stays. `undefined`: nothing. */
  readonly answers?: readonly unknown[]
  /** How long it takes to say what it was told. Milliseconds. */
  readonly tookMs?: number
  isLive?: boolean
  isCaughtUp?: boolean
}

function world(fakes: Readonly<Record<string, Fake>>, random?: () => number) {
  const counts = createShellCounts()
  const looks: string[] = []
  const questions: { readonly sessionId: string; readonly nonce: string; readonly withinMs: number }[] = []
  const warnings: unknown[] = []
  const errors: unknown[] = []
  const seen = new Map<string, number>()
  let clock = 0
  const next = (what: string, list: readonly unknown[]) => {
    const place = seen.get(what) ?? 0
    seen.set(what, place + 1)
    return list[Math.min(place, list.length - 1)]
  }
  const auditor = createClientAuditor(
    {
      answering: () => Object.keys(fakes) as SessionId[],
      isCaughtUp: (id) => fakes[id]?.isCaughtUp ?? true,
      isLive: (id) => fakes[id]?.isLive ?? true,
      digest(id) {
        looks.push(id)
        clock += fakes[id]?.tookMs ?? 0
        return next(`digest ${id}`, fakes[id]?.told ?? [told(1)]) as SessionDigest | undefined
      },
      ask(sessionId, { nonce }, withinMs) {
        questions.push({ sessionId, nonce, withinMs })
        const answer = next(`ask ${sessionId}`, fakes[sessionId]?.answers ?? [answerOf(1)])
        return new Promise((resolve) => {
          if (answer instanceof Error) throw answer
          if (answer === undefined) setTimeout(() => resolve(undefined), withinMs)
          else resolve({ answer })
        })
      },
    },
    {
      counts,
      log: {
        ...silentLog,
        warn: (_message, fields) => warnings.push(fields),
        error: (_message, fields) => errors.push(fields),
      },
      now: () => clock + performance.now(),
      ...(random && { random }),
    },
  )
  return { auditor, counts, looks, questions, warnings, errors }
}

async function audited(fakes: Readonly<Record<string, Fake>>) {
  const made = world(fakes)
  const audit = made.auditor.audit()
  await vi.runAllTimersAsync()
  return { ...made, audit: await audit }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the audit of clients', () => {
  it('asks each with a nonce of its own, and counts what came of it', async () => {
    const { audit, questions, counts, warnings } = await audited({
      right: {},
      wrong: { answers: [answerOf(2)] },
      silent: { answers: [undefined] },
      garbled: { answers: ['?'] },
      busy: { told: [undefined] },
    })
    expect(audit).toMatchObject({ answering: 5, asked: 4, equal: 1, unanswered: 1, malformed: 1, skipped: 1 })
    expect(audit.different).toMatchObject([{ sessionId: 'wrong', rooms: [{ id: 'c1' }], extraRooms: 0 }])
    expect(new Set(questions.map(({ nonce }) => nonce)).size).toBe(questions.length)
    expect(questions.every(({ withinMs }) => withinMs === ANSWER_WITHIN_MS)).toBe(true)
    expect(counts.frames['presence:digest']).toBe(questions.length)
    expect(counts.clientAudits).toEqual({ equal: 1, different: 1, unanswered: 1, malformed: 1, skipped: 1 })
    expect(warnings).toMatchObject([{ sessionId: 'wrong', userId: 'ann' }])
  })

  it('counts only what differs at a second look, after a while, too', async () => {
    const { audit, questions } = await audited({
      healed: { answers: [answerOf(2), answerOf(1)] },
      changing: { told: [told(1, 2)], answers: [answerOf(1, 9), answerOf(2, 9)] },
      behind: { answers: [{ ...answerOf(1), at: ['epoch', 6] }] },
      elsewhere: { answers: [{ ...answerOf(1), at: ['other', 7] }] },
      half: { told: [told(1, 2)], answers: [{ ...answerOf(8, 9), others: 5 }, answerOf(1, 9)] },
    })
    expect(questions.filter(({ sessionId }) => sessionId === 'healed')).toHaveLength(2)
    expect(audit).toMatchObject({ equal: 2 })
    expect(
      audit.different.map(({ sessionId, isBehind, rooms, hasOtherPeople }) => [
        sessionId,
        isBehind,
        rooms.map(({ id }) => id),
        hasOtherPeople,
      ]),
    ).toEqual([
      ['behind', true, [], false],
      ['elsewhere', true, [], false],
      ['half', false, ['c2'], false],
    ])
    const { auditor, questions: asked } = world({ wrong: { answers: [answerOf(2)] } })
    const audit2 = auditor.audit()
    await vi.advanceTimersByTimeAsync(SECOND_LOOK_MS - 1)
    expect(asked).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(asked).toHaveLength(2)
    await audit2
  })

  it('waits a little for a session for which something is pending, or not written, and passes it over then', async () => {
    const { audit, looks } = await audited({
      soon: { told: [undefined, undefined, told(1)] },
      never: { told: [undefined] },
      gone: { told: [undefined], isLive: false },
      unwritten: { isCaughtUp: false },
    })
    expect(audit).toMatchObject({ asked: 1, equal: 1, skipped: 3 })
    const looksAt = (id: string) => looks.filter((each) => each === id).length
    expect(['soon', 'never', 'gone', 'unwritten'].map(looksAt)).toEqual([3, QUIET_LOOKS_MAX, 1, 0])
    const made = world({ never: { told: [undefined] } })
    const waited = made.auditor.audit()
    await vi.advanceTimersByTimeAsync(QUIET_EVERY_MS)
    expect(made.looks).toHaveLength(2)
    await vi.runAllTimersAsync()
    await waited
  })

  it('names at most so many rooms, and counts the others; and rooms that the client was not told of', async () => {
    const many = Array.from({ length: DIFFERENT_ROOMS_MAX + 5 }, (_, n) => n + 1)
    const { audit } = await audited({
      many: { told: [told(...many)], answers: [answerOf()] },
      more: { answers: [answerOf(1, 2, 3)] },
      twice: { answers: [answerOf(1, 1)] },
      fewer: { told: [told(1, 1)], answers: [answerOf(1)] },
    })
    expect(
      audit.different.map(({ sessionId, rooms, moreRooms, extraRooms }) => [
        sessionId,
        rooms.length,
        moreRooms,
        extraRooms,
      ]),
    ).toEqual([
      ['many', DIFFERENT_ROOMS_MAX, 5, 0],
      ['more', 0, 0, 2],
      ['twice', 0, 0, 1],
      ['fewer', 1, 0, 0],
    ])
  })

  it('picks as many as it is told, each as likely as the others', async () => {
    const fakes = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`s${n}`, {}]))
    const picked = new Map<string, number>()
    const ROUNDS = 10
    // Every sequence of chances that differs in the picks: 3, 4 and 5 places.
    for (let chance = 0; chance < 3 * 4 * 5 * ROUNDS; chance++) {
      const places = [0, 0, chance % 3, Math.floor(chance / 3) % 4, Math.floor(chance / 12) % 5]
      let n = 0
      const { auditor, questions } = world(fakes, () => ((places[n] ?? 0) + 0.5) / ++n)
      const audit = auditor.audit(2)
      await vi.runAllTimersAsync()
      expect(await audit).toMatchObject({ answering: 5, asked: 2 })
      for (const { sessionId } of questions) picked.set(sessionId, (picked.get(sessionId) ?? 0) + 1)
    }
    expect([...picked.values()]).toEqual(Array(5).fill((3 * 4 * 5 * ROUNDS * 2) / 5))
  })

  it('asks by default a hundred, and refuses samples out of bounds', async () => {
    const fakes = Object.fromEntries(
      Array.from({ length: CLIENT_AUDIT_SAMPLE_DEFAULT + 1 }, (_, n) => [`s${n}`, {}]),
    )
    expect((await audited(fakes)).audit).toMatchObject({ asked: CLIENT_AUDIT_SAMPLE_DEFAULT })
    const { auditor } = world({})
    for (const sample of [0, -1, 1.5, NaN, CLIENT_AUDIT_SAMPLE_MAX + 1])
      await expect(auditor.audit(sample)).rejects.toThrow(RangeError)
    const all = auditor.audit(CLIENT_AUDIT_SAMPLE_MAX)
    await vi.runAllTimersAsync()
    expect(await all).toMatchObject({ asked: 0 })
  })

  it('rests after each as long as it took, and passes over those whose turn has not come in time', async () => {
    const tookMs = 300
    const slow = Array.from({ length: 40 }, (_, n) => [`s${n}`, { tookMs }] as const)
    const { auditor, looks } = world(Object.fromEntries(slow))
    const audit = auditor.audit()
    await vi.advanceTimersByTimeAsync(tookMs - 1)
    expect(looks).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(looks).toHaveLength(2)
    await vi.runAllTimersAsync()
    const asked = Math.ceil(BEGIN_WITHIN_MS / (2 * tookMs))
    expect(await audit).toMatchObject({ answering: 40, asked, equal: asked, skipped: 40 - asked })
  })

  it('goes on without a client that cannot be asked because something fails, and says so', async () => {
    const failure = new Error('a bug')
    const { audit, errors } = await audited({ broken: { answers: [failure] }, right: {} })
    expect(audit).toMatchObject({ asked: 1, equal: 1, skipped: 1 })
    expect(errors).toEqual([{ sessionId: 'broken', error: failure }])
  })

  it('gives a call while another is under way the result of that one, and a later one its own', async () => {
    const { auditor, questions } = world({ silent: { answers: [undefined] } })
    const both = Promise.all([auditor.audit(), auditor.audit(5)])
    await vi.runAllTimersAsync()
    const [first, second] = await both
    expect(second).toBe(first)
    expect(questions).toHaveLength(1)
    const third = auditor.audit()
    await vi.runAllTimersAsync()
    expect(await third).toEqual(first)
    expect(questions).toHaveLength(2)
  })

  it('ends at once when it is closed, whatever it waits for', async () => {
    const { auditor } = world({
      silent: { answers: [undefined] },
      wrong: { answers: [answerOf(2)] },
      busy: { told: [undefined] },
    })
    const audit = auditor.audit()
    await vi.advanceTimersByTimeAsync(QUIET_EVERY_MS)
    auditor.close()
    expect(await audit).toMatchObject({ asked: 0, skipped: 3 })
    const later = auditor.audit()
    await vi.runAllTimersAsync()
    expect(await later).toMatchObject({ skipped: 3 })
  })
})

it('does not ask a session in more rooms than an answer may have', () => {
  vi.useRealTimers()
  for (const [more, isAsked] of [
    [0, true],
    [1, false],
  ] as const) {
    const engine = createEngine(resolveSettings({}))
    const rooms = Array.from({ length: DIGEST_ROOMS_MAX + more }, (_, n) => ({
      kind: 'conversation' as const,
      id: `c${n}` as ConversationId,
      value: ['ann' as UserId],
    }))
    const effects = engine.apply(
      { type: 'connect', sessionId: 's' as SessionId, userId: 'ann' as UserId, rooms, protocol: 2, since: 0 },
      0,
    )
    expect(engine.digest('s' as SessionId, 'n'), 'before the first picture').toBeUndefined()
    for (const effect of effects)
      if (effect.type === 'due') for (const due of effect.sessions) engine.take(due, 0)
    expect(engine.digest('s' as SessionId, 'n') !== undefined).toBe(isAsked)
  }
})
