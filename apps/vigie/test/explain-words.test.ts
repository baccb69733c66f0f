import { expect, it } from 'vitest'
import type { Explanation } from '@vigie/server/http'
import { explainInWords } from '../src/explain-words.js'

const AT = Date.UTC(2026, 0, 2, 3, 4, 5)
const quiet: Explanation = {
  userId: 'ann',
  presence: { online: false, count: 0 },
  sessions: [],
  nodes: [],
  transitions: [],
  rooms: [],
}

it('says of somebody unknown that there is nothing to say', () => {
  expect(explainInWords(quiet)).toBe(
    [
      'ann is offline.',
      'Sessions on this server: none.',
      'On other servers: none.',
      'What happened, the newest first: none.',
      'In: none.',
    ].join('\n'),
  )
})

it('says everything that is known, each session and transition in a line', () => {
  const text = explainInWords({
    ...quiet,
    presence: { online: true, count: 2 },
    sessions: [
      {
        sessionId: 's1',
        deviceId: 'phone',
        label: 'Ann’s phone',
        protocol: 2,
        state: 'live',
        since: AT,
        lastHeardAt: AT + 1_000,
        tokenEndsAt: AT + 60_000,
        backgroundGraceMs: 30_000,
        typingIn: 'plan',
      },
      {
        sessionId: 's2',
        deviceId: 'tab',
        protocol: 1,
        state: 'lost',
        since: AT,
        lostAt: AT,
        graceEndsAt: AT + 5_000,
      },
    ],
    nodes: [{ node: 'b', devices: ['tv'], isLost: true }],
    transitions: [{ at: AT, reason: 'lost', deviceId: 'tab', after: { online: true, count: 1 } }],
    rooms: [
      { kind: 'group', id: 'crew', mode: 'names' },
      { kind: 'conversation', id: 'hall', mode: 'count' },
    ],
  })
  expect(text.split('\n')).toEqual([
    'ann is online, on 2 devices.',
    'Sessions on this server:',
    '  live: device phone "Ann’s phone", session s1, protocol 2, since 2026-01-02 03:04:05.000Z, ' +
      'last heard of at 2026-01-02 03:04:06.000Z, token ends at 2026-01-02 03:05:05.000Z, ' +
      'in the background: 30000 ms of grace, types in plan',
    '  lost: device tab, session s2, protocol 1, since 2026-01-02 03:04:05.000Z, lost at 2026-01-02 03:04:05.000Z, ' +
      'counts until 2026-01-02 03:04:10.000Z',
    'On other servers:',
    '  b (lost): tv',
    'What happened, the newest first:',
    '  2026-01-02 03:04:05.000Z a connection was lost without a word (device tab): online, on one device',
    'In:',
    '  group crew',
    '  conversation hall (too large for names)',
  ])
})

it.each<[string, Partial<NonNullable<Explanation['viewer']>>, string]>([
  [
    'through a room',
    { sees: true, through: [{ kind: 'group', id: 'crew', mode: 'names' }] },
    'ben sees ann: both are in group crew.',
  ],
  ['because it watches', { sees: true, isWatching: true }, 'ben sees ann: the viewer watches the user.'],
  ['as itself', { sees: true, isSelf: true }, 'ben sees ann: it is the same user.'],
  [
    'not at all',
    { hiddenBy: 'no_shared_room' },
    'ben does not see ann: they share no group and no conversation.',
  ],
])('says how the viewer sees it: %s', (_name, facts, sentence) => {
  const text = explainInWords({
    ...quiet,
    viewer: {
      ...{ userId: 'ben', sees: false, through: [], isSelf: false, isWatching: false },
      ...{ told: { online: true, count: 1 }, liveSessions: 2, pendingSessions: 1, ...facts },
    },
  })
  expect(text.split('\n').slice(-2)).toEqual([
    sentence,
    'ben would be told now: online, on one device. Live sessions of ben: 2; news of ann waits for 1.',
  ])
})

it('lets no text of a client act on the terminal', () => {
  const text = explainInWords({
    ...quiet,
    sessions: [
      { sessionId: 's', deviceId: 'd', label: '\u001b[2J"\n\u009b0m', protocol: 2, state: 'live', since: AT },
    ],
  })
  expect(text).toContain('device d "\\u001b[2J\\"\\n\\u009b0m"')
})
