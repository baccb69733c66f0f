import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type {
  ConversationId,
  GroupId,
  PresenceDiff,
  PresenceState,
  RoomChange,
  UserId,
} from '@vigie/protocol'
import {
  apply,
  begin,
  forgetPosition,
  EARLY_MAX,
  EMPTY_SYNC,
  PARTS_MAX,
  setWatched,
  type Frame,
  type Picture,
  type Room,
  type Step,
  type Sync,
} from '../src/sync.js'
import { at, change, count, room, state } from './support/fakes.js'

const stateFrame = (payload: PresenceState): Frame => ({ name: 'presence:state', payload })
const diffFrame = (payload: PresenceDiff): Frame => ({ name: 'presence:diff', payload })

function applyAll(sync: Sync, frames: readonly Frame[]): Step {
  let step: Step | undefined
  for (const frame of frames) {
    step = apply(sync, frame)
    sync = step.sync
  }
  return step!
}

const BASE = state({
  users: [count('ann', 1), count('bob', 2), count('cyd', 0)],
  groups: [room<GroupId>('g', { roster: [0, 1] })],
  conversations: [room<ConversationId>('c', { roster: [0, 1, 2], typing: ['bob'] })],
})
const base = () => apply(EMPTY_SYNC, stateFrame(BASE)).sync

describe('a snapshot', () => {
  test('is the whole picture', () => {
    const { picture } = base()
    expect(new Map(picture.users)).toEqual(
      new Map([
        ['ann', 1],
        ['bob', 2],
        ['cyd', 0],
      ]),
    )
    expect(picture.conversations.get('c' as ConversationId)?.roster).toEqual(new Set(['ann', 'bob', 'cyd']))
    expect(picture.at).toEqual(at(1))
  })

  test('that says what is known changes nothing', () => {
    const { changes } = apply(forgetPosition(base()), stateFrame({ ...BASE, at: at(9) }))
    expect(changes).toEqual({
      users: new Set(),
      groups: new Set(),
      conversations: new Set(),
      typing: new Set(),
      devices: false,
    })
  })

  test('replaces everything, people included', () => {
    const groups = [room<GroupId>('g', { roster: [0] })]
    const step = apply(base(), stateFrame(state({ at: at(2), users: [count('dan', 1)], groups })))
    expect(new Map(step.sync.picture.users)).toEqual(new Map([['dan', 1]]))
    expect(step.changes.users).toEqual(new Set(['ann', 'bob', 'cyd', 'dan']))
    expect(step.changes.conversations).toEqual(new Set(['c']))
    expect(step.changes.typing).toEqual(new Set(['c']))
  })

  test('that is cut is shown when its last part is here, and not before', () => {
    const first = apply(base(), stateFrame(state({ at: null, users: [count('ann', 1)], conversations: [] })))
    expect(first.outcome).toBe('waits')
    expect(first.sync.picture).toEqual(base().picture)
    const rest = change<ConversationId>('c', { mode: 'names', members: 2, roster: ['ann', 'bob'] })
    const last = apply(first.sync, diffFrame({ at: at(5), users: [count('bob', 2)], conversations: [rest] }))
    expect(last.outcome).toBe('whole')
    expect(last.changes.users).toEqual(new Set(['cyd']))
  })

  test('half of which came is forgotten with its connection', () => {
    const half = apply(base(), stateFrame(state({ at: null })))
    const next = apply(begin(half.sync), diffFrame({ at: at(2), users: [count('ann', 3)] }))
    expect(next.sync.picture.users.get('ann' as UserId)).toBe(3)
    expect(next.sync.picture.users.size).toBe(3)
  })
})

describe('a diff', () => {
  test('before its snapshot waits, and is folded in after it', () => {
    const early = apply(EMPTY_SYNC, diffFrame({ at: at(2), users: [count('ann', 0)] }))
    expect(early.outcome).toBe('waits')
    expect(early.sync.picture.users.size).toBe(0)
    const { sync } = apply(early.sync, stateFrame(BASE))
    expect(sync.picture.users.get('ann' as UserId)).toBe(0)
    expect(sync.picture.at).toEqual(at(2))
  })

  test('before its snapshot that the snapshot already holds is dropped', () => {
    const early = apply(EMPTY_SYNC, diffFrame({ at: at(1), users: [count('ann', 0)] }))
    const { sync } = apply(early.sync, stateFrame(BASE))
    expect(sync.picture.users.get('ann' as UserId)).toBe(1)
  })

  test('of rooms and people that were never told of is passed over', () => {
    const step = apply(
      base(),
      diffFrame({
        at: at(2),
        users: [count('nobody', 4)],
        groups: [change<GroupId>('unknown', { gone: true })],
        conversations: [
          change<ConversationId>('unknown', { add: ['ann'] }),
          change<ConversationId>('c', { remove: ['nobody'], typing: ['stranger'] }),
        ],
      }),
    )
    expect(step.outcome).toBe('whole')
    expect(step.changes.users).toEqual(new Set())
    expect(step.changes.groups).toEqual(new Set())
    expect(step.changes.conversations).toEqual(new Set())
    expect(step.sync.picture.users.has('nobody' as UserId)).toBe(false)
  })

  test('of another boot of the server asks for a snapshot', () => {
    expect(apply(begin(base()), diffFrame({ at: at(2, 'reboot') })).outcome).toBe('broken')
  })

  test('that takes the last room in common takes the person out of memory', () => {
    const gone = apply(
      base(),
      diffFrame({ at: at(2), conversations: [change<ConversationId>('c', { gone: true })] }),
    )
    expect([...gone.sync.picture.users.keys()]).toEqual(['ann', 'bob'])
    const removed = apply(
      gone.sync,
      diffFrame({ at: at(3), groups: [change<GroupId>('g', { remove: ['bob'] })] }),
    )
    expect([...removed.sync.picture.users.keys()]).toEqual(['ann'])
  })

  test('that turns a room into a number forgets its names', () => {
    const { sync } = apply(
      base(),
      diffFrame({
        at: at(2),
        conversations: [change<ConversationId>('c', { mode: 'count', members: 300, online: 40 })],
      }),
    )
    const large = sync.picture.conversations.get('c' as ConversationId)
    expect(large).toEqual({ mode: 'count', members: 300, roster: new Set(), online: 40, typing: new Set() })
    expect(sync.picture.users.has('cyd' as UserId)).toBe(false)
  })

  test('leaves the picture before it as it was', () => {
    const before = base()
    const copy = structuredClone(before.picture)
    apply(
      before,
      diffFrame({
        at: at(2),
        users: [count('ann', 0)],
        groups: [change<GroupId>('g', { gone: true })],
        conversations: [change<ConversationId>('c', { add: ['eve'], remove: ['bob'], typing: [] })],
      }),
    )
    expect(before.picture).toEqual(copy)
  })
})

describe('people who are watched', () => {
  test('are known without a room in common, until they are watched no more', () => {
    const watching = setWatched(base(), new Set(['zoe' as UserId])).sync
    const told = apply(watching, diffFrame({ at: at(2), users: [count('zoe', 1)] }))
    expect(told.sync.picture.users.get('zoe' as UserId)).toBe(1)
    const { sync, changes } = setWatched(told.sync, new Set())
    expect(sync.picture.users.has('zoe' as UserId)).toBe(false)
    expect(changes.users).toEqual(new Set(['zoe']))
  })

  test('are not known on a new connection until it has told of them: the last that was known is kept', () => {
    const watching = setWatched(base(), new Set(['zoe' as UserId])).sync
    const told = apply(watching, diffFrame({ at: at(2), users: [count('zoe', 1)] }))
    const back = apply(begin(told.sync), diffFrame({ at: at(3) }))
    expect(back.sync.picture.users.get('zoe' as UserId)).toBe(1)
    expect(back.sync.picture.unheard).toEqual(new Set(['zoe']))
    const again = apply(
      setWatched(back.sync, new Set(['zoe' as UserId])).sync,
      diffFrame({ at: at(4), users: [count('zoe', 0)] }),
    )
    expect(again.sync.picture.unheard.size).toBe(0)
    expect(again.changes.users).toEqual(new Set(['zoe']))
    const { sync, changes } = setWatched(back.sync, new Set())
    expect(sync.picture.users.has('zoe' as UserId)).toBe(false)
    expect(changes.users).toEqual(new Set(['zoe']))
  })
})

describe('somebody who comes into sight', () => {
  test('and of whom nothing is said is offline, and not unknown', () => {
    const { sync, changes } = apply(
      base(),
      diffFrame({ at: at(2), conversations: [change<ConversationId>('c', { members: 4, add: ['dan'] })] }),
    )
    expect(sync.picture.users.get('dan' as UserId)).toBe(0)
    expect(changes.users).toEqual(new Set(['dan']))
  })
})

describe('bounds', () => {
  test('more diffs than may wait for a snapshot ask for one', () => {
    const frames = Array.from({ length: EARLY_MAX + 1 }, (_, n) => diffFrame({ at: at(n) }))
    expect(applyAll(EMPTY_SYNC, frames.slice(0, -1)).outcome).toBe('waits')
    expect(applyAll(EMPTY_SYNC, frames).outcome).toBe('broken')
  })

  test('a moment of more frames than one may have asks for a snapshot', () => {
    const frames = Array.from({ length: PARTS_MAX + 1 }, () => diffFrame({}))
    expect(applyAll(base(), frames.slice(0, -1)).outcome).toBe('waits')
    expect(applyAll(base(), frames).outcome).toBe('broken')
  })
})

// Properties: a server's truth, and what a client makes of any way to tell it.

interface TruthRoom {
  readonly mode: 'names' | 'count'
  readonly roster: readonly string[]
  readonly online: number
  readonly typing: readonly string[]
}
interface Truth {
  readonly counts: ReadonlyMap<string, number>
  readonly conversations: ReadonlyMap<string, TruthRoom>
  readonly groups: ReadonlyMap<string, TruthRoom>
}

const NAMES = ['ann', 'bob', 'cyd', 'dan', 'eve', '__proto__', 'constructor']
const anyRoom = fc.record({
  mode: fc.constantFrom<('names' | 'count')[]>('names', 'names', 'count'),
  roster: fc.subarray(NAMES),
  online: fc.nat(9),
  typing: fc.subarray(NAMES),
})
const anyRooms = fc
  .array(fc.tuple(fc.constantFrom('r1', 'r2', '__proto__'), anyRoom))
  .map((rooms) => new Map(rooms))
const anyTruth: fc.Arbitrary<Truth> = fc.record({
  counts: fc
    .tuple(...NAMES.map(() => fc.nat(3)))
    .map((counts) => new Map(NAMES.map((name, n) => [name, counts[n]!]))),
  conversations: anyRooms,
  groups: anyRooms,
})
const anyChance = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }))

const rosterOf = (shown: TruthRoom) => (shown.mode === 'names' ? shown.roster : [])
const inSight = (truth: Truth) =>
  new Set([...truth.conversations.values(), ...truth.groups.values()].flatMap(rosterOf))

function wholeRooms<Id extends string>(rooms: ReadonlyMap<string, TruthRoom>): RoomChange<Id>[] {
  return [...rooms].map(([id, { mode, roster, online, typing }]) =>
    change<Id>(id, {
      mode,
      members: mode === 'names' ? roster.length : 500,
      ...(mode === 'names' ? { roster } : { online }),
      typing,
    }),
  )
}

/** What differs, as the server tells it: rooms that are new or of another mode whole, the others field by field. */
function changedRooms<Id extends string>(
  before: ReadonlyMap<string, TruthRoom>,
  after: ReadonlyMap<string, TruthRoom>,
): RoomChange<Id>[] {
  const gone = [...before.keys()].filter((id) => !after.has(id))
  return [
    ...gone.map((id) => change<Id>(id, { gone: true })),
    ...wholeRooms<Id>(new Map([...after].filter(([id, { mode }]) => before.get(id)?.mode !== mode))),
    ...[...after].flatMap(([id, is]) => {
      const was = before.get(id)
      if (was?.mode !== is.mode) return []
      return [
        change<Id>(id, {
          typing: is.typing,
          ...(is.mode === 'count'
            ? { online: is.online }
            : {
                members: is.roster.length,
                add: is.roster.filter((name) => !was.roster.includes(name)),
                remove: was.roster.filter((name) => !is.roster.includes(name)),
              }),
        }),
      ]
    }),
  ]
}

/** The subjects of a moment, dealt out at random over frames of any order; only the last one has `at`. */
function cut(whole: PresenceDiff, chance: () => number): PresenceDiff[] {
  const parts: PresenceDiff[] = [
    ...(whole.users ?? []).map((user) => ({ users: [user] })),
    ...(whole.groups ?? []).map((group) => ({ groups: [group] })),
    ...(whole.conversations ?? []).map((conversation) => ({ conversations: [conversation] })),
  ]
  const shuffled = parts
    .map((part) => [chance(), part] as const)
    .sort(([a], [b]) => a - b)
    .map(([, part]) => part)
  const frames: PresenceDiff[] = []
  for (const part of shuffled) {
    const open = frames.at(-1)
    if (!open || chance() < 0.4) frames.push(part)
    else frames[frames.length - 1] = merge(open, part)
  }
  if (frames.length === 0) frames.push({})
  frames[frames.length - 1] = { ...frames.at(-1), ...(whole.at && { at: whole.at }) }
  return frames
}

function merge(a: PresenceDiff, b: PresenceDiff): PresenceDiff {
  return {
    users: [...(a.users ?? []), ...(b.users ?? [])],
    groups: [...(a.groups ?? []), ...(b.groups ?? [])],
    conversations: [...(a.conversations ?? []), ...(b.conversations ?? [])],
  }
}

/** The picture as the truth has it. */
function pictureOf(truth: Truth) {
  const rooms = <Id extends string>(of: ReadonlyMap<string, TruthRoom>) =>
    new Map(
      [...of].map(([id, { mode, roster, online, typing }]): [Id, Room] => [
        id as Id,
        {
          mode,
          members: mode === 'names' ? roster.length : 500,
          roster: new Set((mode === 'names' ? roster : []) as UserId[]),
          online: mode === 'count' ? online : 0,
          typing: new Set(typing as UserId[]),
        },
      ]),
    )
  return {
    users: new Map([...inSight(truth)].map((name) => [name as UserId, truth.counts.get(name) ?? 0])),
    groups: rooms<GroupId>(truth.groups),
    conversations: rooms<ConversationId>(truth.conversations),
  }
}

/** A picture in plain maps, whatever its own are. */
function plain({ users, groups, conversations }: Picture) {
  return { users: new Map(users), groups: new Map(groups), conversations: new Map(conversations) }
}

function wholePicture(truth: Truth, n: number): PresenceDiff {
  return {
    at: at(n),
    users: [...inSight(truth)].map((name) => count(name, truth.counts.get(name) ?? 0)),
    groups: wholeRooms<GroupId>(truth.groups),
    conversations: wholeRooms<ConversationId>(truth.conversations),
  }
}

function difference(before: Truth, after: Truth, n: number): PresenceDiff {
  const seen = inSight(before)
  return {
    at: at(n),
    users: [...inSight(after)]
      // Of somebody who is new in sight and offline, a server says nothing.
      .filter((name) => (seen.has(name) ? before.counts.get(name) : 0) !== after.counts.get(name))
      .map((name) => count(name, after.counts.get(name) ?? 0)),
    groups: changedRooms<GroupId>(before.groups, after.groups),
    conversations: changedRooms<ConversationId>(before.conversations, after.conversations),
  }
}

test('any picture, cut anywhere, and any history after it, told in any order of parts and twice, is the truth', () => {
  fc.assert(
    fc.property(
      fc.array(anyTruth, { minLength: 1, maxLength: 6 }),
      anyChance,
      fc.nat(9),
      (truths, chances, early) => {
        const chance = () => chances.next().value as number
        let sync = begin(EMPTY_SYNC)
        const [first, ...later] = truths as [Truth, ...Truth[]]
        const parts = cut(wholePicture(first, 10), chance)
        // Diffs of before the snapshot: told too early, and old by the time it is there.
        for (let n = 0; n < early; n++)
          sync = apply(sync, diffFrame({ at: at(n), users: [count('ann', 7)] })).sync
        sync = apply(sync, stateFrame(state({ at: null }))).sync
        for (const part of parts) {
          expect(sync.picture.users.size).toBe(0)
          sync = apply(sync, diffFrame(part)).sync
        }
        expect(plain(sync.picture)).toMatchObject(pictureOf(first))
        let before = first
        for (const [n, truth] of later.entries()) {
          const frames = cut(difference(before, truth, 11 + n), chance)
          const known = sync.picture
          const step = applyAll(sync, frames.map(diffFrame))
          expect(step.outcome).toBe('whole')
          expect(plain(step.sync.picture)).toMatchObject(pictureOf(truth))
          expectChanges(known, step)
          const again = applyAll(step.sync, frames.map(diffFrame))
          expect(plain(again.sync.picture)).toMatchObject(pictureOf(truth))
          expect(
            again.changes.users.size + again.changes.conversations.size + again.changes.groups.size,
          ).toBe(0)
          sync = again.sync
          before = truth
        }
      },
    ),
    { numRuns: 300 },
  )
})

/** The changes name exactly the users whose count is another one. */
function expectChanges(before: Picture, { sync, changes }: Step): void {
  const all = new Set([...before.users.keys(), ...sync.picture.users.keys()])
  const other = [...all].filter((id) => before.users.get(id) !== sync.picture.users.get(id))
  expect(changes.users).toEqual(new Set(other))
}
