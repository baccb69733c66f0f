import { ApiError, type AuditHole } from '@vigie/server/http'
import { describe, expect, it } from 'vitest'
import { placeOn, rangeOf } from '../src/past/range.js'
import {
  deviceSentence,
  holeSentences,
  intervalSentence,
  isInHole,
  pastProblem,
  reasonText,
} from '../src/past/sentences.js'
import { en } from '../src/texts/en.js'
import { chooseLanguage } from '../src/texts/language.js'
import { REASONS } from './reasons.js'

const english = chooseLanguage(['en-GB'])
const NOW = new Date(2026, 4, 5, 14, 5, 9, 300).getTime()
const at = (hour: number, minute = 0, second = 0) => new Date(2026, 4, 5, hour, minute, second).getTime()
const day = rangeOf('date', '2026-05-05', at(23, 59))!

describe('the time that the slider goes over', () => {
  it('ends a little before now, and each step is a time of its own', () => {
    for (const span of ['hour', 'six_hours', 'day'] as const) {
      const { from, to, stepMs } = rangeOf(span, '', NOW)!
      expect(to).toBe(at(14, 5, 8))
      expect((to - from) % stepMs).toBe(0)
    }
    expect(rangeOf('hour', '', NOW)).toMatchObject({ from: at(13, 5, 8), stepMs: 1_000 })
  })

  it('is a day where the operator is, as far as it has passed', () => {
    expect(rangeOf('date', '2026-05-04', NOW)).toMatchObject({
      from: new Date(2026, 4, 4).getTime(),
      to: new Date(2026, 4, 5).getTime(),
      stepMs: 60_000,
    })
    expect(rangeOf('date', '2026-05-05', NOW)).toMatchObject({ from: at(0), to: at(14, 5) })
    for (const none of ['', '2026-05-06', '5 May']) expect(rangeOf('date', none, NOW)).toBeUndefined()
  })

  it('has a place for each part of it, and none for what is outside', () => {
    const range = { from: 1_000, to: 2_000, stepMs: 1, today: 1_000 }
    expect(placeOn(range, { from: 1_250, to: 1_500 })).toEqual({ left: 25, width: 25 })
    expect(placeOn(range, { from: null, to: 1_100 })).toEqual({ left: 0, width: 10 })
    expect(placeOn(range, { from: 1_900, to: null })).toEqual({ left: 90, width: 10 })
    expect(placeOn(range, { from: 0, to: 500 })).toEqual({ left: 0, width: 0 })
  })
})

describe('what the trail says', () => {
  const hole = (from: number | null, to: number | null, why: AuditHole['why']): AuditHole => ({
    from,
    to,
    why,
    boot: null,
  })

  it('names its holes: long ones by minutes around them, short ones by seconds, and each sentence once', () => {
    const holes = [
      hole(null, at(9), 'before_trail'),
      hole(at(14, 2, 20), at(14, 4, 30), 'killed'),
      hole(at(15, 0, 1), at(15, 0, 4), 'killed'),
      hole(at(15, 0, 1), at(15, 0, 4), 'killed'),
      hole(at(16, 0, 5), null, 'not_written_yet'),
    ]
    expect(holeSentences(holes, day, english)).toEqual([
      'Until 09:00 the trail is not complete: nothing of so long ago is kept, or nothing was recorded then.',
      'Between 14:02 and 14:05 the trail is not complete: the server was killed.',
      'Between 15:00:01 and 15:00:04 the trail is not complete: the server was killed.',
      'Since 16:00:05 the trail is not complete: the newest changes are still being written.',
    ])
    expect([at(8), at(9), at(14, 3), at(14, 4, 30), at(20)].map((time) => isInHole(time, holes))).toEqual([
      true,
      false,
      true,
      false,
      true,
    ])
  })

  it('names devices as their clients do, and says which could still come back', () => {
    const sentence = (deviceId: string, state: 'live' | 'lost', since: number | null) =>
      deviceSentence({ deviceId, state, since }, day, english)
    expect(sentence('phone', 'live', at(14, 1))).toBe('Device phone, since 14:01:00.')
    expect(sentence('~s1', 'lost', null)).toBe(
      'A device without an id. Its connection was lost, and it could still come back.',
    )
  })

  it('says of a time online how long it was, and why it began and ended', () => {
    const sentence = (began: string | null, ended: string | null) =>
      intervalSentence({ from: at(14), to: at(14, 5), began, ended }, day, english)
    expect(sentence('connected', 'death')).toBe(
      '14:00:00 to 14:05:00 (5 minutes). Connected → The server was killed',
    )
    expect(sentence(null, null)).toMatch(/Online before → Still online$/u)
    expect(sentence('of a newer server', null)).toContain('of a newer server →')
  })

  it('has words for each reason, its own and those of presence', () => {
    const said = [...REASONS, 'stop', 'death', 'unknown'].map((reason) => reasonText(reason, en))
    expect(new Set(said).size).toBe(REASONS.length + 3)
    for (const reason of ['stop', 'death', 'unknown', ...REASONS]) expect(said).not.toContain(reason)
  })

  it('says why it does not answer, and what to do', () => {
    const said = (status: number, code: string) => pastProblem(new ApiError('', { status, code }), en)
    expect(said(404, 'not_found')).toBe(en.pastNotThere)
    expect(said(0, 'unreachable')).toBe(en.pastNoAnswer)
    expect(said(503, 'unavailable')).toBe(en.pastAway)
    expect(said(500, 'internal')).toBe(en.pastError)
    expect(said(400, 'invalid_payload')).toBe(en.pastRefused)
    expect(said(401, 'key_missing')).toBe(en.problems.key_missing)
    expect(said(429, 'rate_limited')).toBe(en.problems.too_many)
  })
})
