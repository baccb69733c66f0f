import { describe, expect, it } from 'vitest'
import { sessionSentences, transitionSentence, verdict, viewerSentences } from '../src/people/sentences.js'
import type { Explanation } from '@vigie/server/http'
import { en } from '../src/texts/en.js'
import { fr } from '../src/texts/fr.js'
import { chooseLanguage } from '../src/texts/language.js'
import { REASONS } from './reasons.js'

type ExplainedSession = Explanation['sessions'][number]
type ExplainedViewer = NonNullable<Explanation['viewer']>

const english = chooseLanguage(['en-GB'])
const french = chooseLanguage(['fr'])
const NOW = new Date(2026, 4, 5, 14, 5, 9).getTime()
const ago = (seconds: number) => NOW - seconds * 1_000

const live: ExplainedSession = {
  sessionId: 's1',
  deviceId: 'phone',
  protocol: 2,
  state: 'live',
  since: ago(300),
  lastHeardAt: ago(4),
}
const viewer: ExplainedViewer = {
  userId: 'ben',
  sees: true,
  through: [
    { kind: 'conversation', id: 'cafe', mode: 'names' },
    { kind: 'group', id: 'lisbon', mode: 'names' },
  ],
  isSelf: false,
  isWatching: false,
  told: { online: true, count: 2 },
  liveSessions: 2,
  pendingSessions: 1,
}

describe('an explanation', () => {
  it('begins with what others see', () => {
    const of = (online: boolean, count: number): Explanation => ({
      userId: 'ana',
      presence: { online, count },
      sessions: [],
      nodes: [],
      transitions: [],
      rooms: [],
    })
    expect(verdict(of(true, 2), english)).toBe('ana is online, on 2 devices.')
    expect(verdict(of(true, 1), french)).toBe('ana est en ligne, sur 1 appareil.')
    expect(verdict(of(false, 0), english)).toBe('ana is offline.')
  })

  it('says of a live session since when it is there, its last sign of life, and what it does', () => {
    expect(sessionSentences(live, english, NOW)).toEqual([
      'Connected for 5 minutes, since 14:00:09.',
      'Last sign of life 4 seconds ago.',
    ])
    const busy = { ...live, typingIn: 'cafe', backgroundGraceMs: 30_000, tokenEndsAt: NOW + 7_200_000 }
    expect(sessionSentences(busy, english, NOW).slice(2)).toEqual([
      'Is typing in cafe.',
      'The app is in the background: a loss has a grace of 30 seconds.',
      'Its token ends in 2 hours.',
    ])
    expect(sessionSentences({ ...live, tokenEndsAt: NOW }, english, NOW).at(-1)).toBe('Its token has ended.')
  })

  it('says of a lost session that it still counts, and for how long', () => {
    const lost: ExplainedSession = { ...live, state: 'lost', lostAt: ago(3), graceEndsAt: NOW + 2_000 }
    expect(sessionSentences(lost, english, NOW)).toEqual([
      'The connection was lost 3 seconds ago (14:05:06). The session still counts.',
      'It counts for 2 seconds more, unless the client comes back.',
    ])
    expect(sessionSentences(lost, english, NOW + 2_000).at(-1)).toBe('It ends at any moment.')
  })

  it('tells each reason of a transition in words of its own, in each language', () => {
    const sentence = transitionSentence(
      { at: ago(9), reason: 'returned', deviceId: 'phone', after: { online: true, count: 1 } },
      english,
    )
    expect(sentence).toBe('Came back within the grace · device phone → seen online, on 1 device')
    for (const language of [english, french]) {
      const said = REASONS.map((reason) =>
        transitionSentence({ at: 0, reason, after: { online: false, count: 0 } }, language),
      )
      expect(new Set(said).size).toBe(REASONS.length)
      expect(said.join()).not.toContain('undefined')
    }
  })

  it('says through which rooms a viewer sees the user, what the viewer is told, and what is pending', () => {
    expect(viewerSentences(viewer, 'ana', english)).toEqual([
      'ben may see ana by name. Both are in conversation cafe and group lisbon.',
      'Told now: online, on 2 devices.',
      'The viewer has 2 live sessions.',
      'For 1 of them news of this user is still to be written.',
    ])
    const watching = { ...viewer, through: [], isWatching: true, pendingSessions: 0 }
    expect(viewerSentences(watching, 'ana', english)).toEqual([
      'ben watches ana, and shares a large room.',
      'Told now: online, on 2 devices.',
      'The viewer has 2 live sessions.',
      'Nothing of this user is still to be written to them.',
    ])
    expect(viewerSentences({ ...viewer, isSelf: true }, 'ana', english)[0]).toBe(
      'They are the same user, who always sees their own presence.',
    )
  })

  it('says what hides the user', () => {
    const hidden = { ...viewer, sees: false, through: [], told: { online: false, count: 0 }, liveSessions: 0 }
    const said = (['no_shared_room', 'only_large_rooms', 'viewer_not_here'] as const).map((hiddenBy) =>
      viewerSentences({ ...hidden, hiddenBy }, 'ana', english),
    )
    expect(said).toEqual([
      [
        'ben does not see ana: no group or conversation has both.',
        'Told now: offline.',
        'The viewer has 0 live sessions.',
      ],
      [
        'ben does not see ana by name: they share only rooms that are too large for names.',
        'Told now: offline.',
        'The viewer has 0 live sessions.',
      ],
      [
        'ben has no session here, so nothing of ana is sent to them.',
        'Told now: offline.',
        'The viewer has 0 live sessions.',
      ],
    ])
    const elsewhere = { ...hidden, through: viewer.through, hiddenBy: 'viewer_not_here' } as const
    expect(viewerSentences(elsewhere, 'ana', english)[1]).toBe(
      'Both are in conversation cafe and group lisbon.',
    )
  })
})

describe('the words', () => {
  it('are all there in French, and none of them is English', () => {
    const texts = (of: object): [string, unknown][] =>
      Object.entries(of).flatMap(([key, value]: [string, unknown]) =>
        typeof value === 'object' && value !== null
          ? texts(value).map(([inner, text]): [string, unknown] => [`${key}.${inner}`, text])
          : [[key, value] as [string, unknown]],
      )
    const french = new Map(texts(fr))
    const english = texts(en)
    expect([...french.keys()].sort()).toEqual(english.map(([key]) => key).sort())
    const same = english.flatMap(([key, text]) =>
      typeof text === 'string' && french.get(key) === text ? [key] : [],
    )
    // Names, and words that both languages have.
    expect(same).toEqual(['appName', 'pause', 'series.p50', 'series.p99', 'version'])
  })
})
