/**
 * A state or diff that is too large for one frame is cut into several, of which only the last has the position:
 * a client that loses the connection in between comes back with the one before, and misses nothing.
 */
import type { PresenceDiff, PresenceState, RoomChange, RoomState, UserId } from '@vigie/protocol'
import type { PresenceEvent } from '../core/index.js'

/** Most bytes of a frame's payload. */
export const FRAME_MAX_BYTES = 64_000
/** What a frame needs besides its entries: names of fields, the position, the event's name. */
const OVERHEAD_BYTES = 400
/** Members of one room that go into one entry; a longer roster is continued with `add`. */
const ROSTER_PIECE = 100

type Entry =
  | { readonly in: 'users'; readonly value: NonNullable<PresenceDiff['users']>[number] }
  | { readonly in: 'groups'; readonly value: NonNullable<PresenceDiff['groups']>[number] }
  | { readonly in: 'conversations'; readonly value: NonNullable<PresenceDiff['conversations']>[number] }

/** The event itself if it fits, else what it is cut into. */
export function cut(event: PresenceEvent, maxBytes: number = FRAME_MAX_BYTES): readonly PresenceEvent[] {
  if (event.name !== 'presence:state' && event.name !== 'presence:diff') return [event]
  if (sizeOf(event.payload) + OVERHEAD_BYTES <= maxBytes) return [event]
  return event.name === 'presence:state'
    ? cutState(event.payload, maxBytes)
    : cutDiff(event.payload, maxBytes)
}

function cutState(state: PresenceState, maxBytes: number): PresenceEvent[] {
  const { at, users, groups, conversations, ...rest } = state
  const whole = <Id>({ roster, ...room }: RoomState<Id>): RoomChange<Id> => ({
    ...room,
    ...(roster && { roster: roster.flatMap((place) => users[place]?.[0] ?? []) }),
  })
  const diff = {
    ...(at && { at }),
    users,
    groups: groups.map(whole),
    conversations: conversations.map(whole),
  }
  const start = { ...rest, users: [], groups: [], conversations: [] }
  return [{ name: 'presence:state', payload: start }, ...cutDiff(diff, maxBytes)]
}

function cutDiff({ at, devices, ...entries }: PresenceDiff, maxBytes: number): PresenceEvent[] {
  const parts: PresenceEvent[] = []
  let part: Entry[] = []
  let size = OVERHEAD_BYTES
  for (const entry of entriesOf(entries)) {
    const bytes = sizeOf(entry.value) + 1
    if (part.length > 0 && size + bytes > maxBytes) {
      parts.push(diffOf(part))
      part = []
      size = OVERHEAD_BYTES
    }
    part.push(entry)
    size += bytes
  }
  if (part.length > 0) parts.push(diffOf(part))
  parts.push({ name: 'presence:diff', payload: { ...(at && { at }), ...(devices && { devices }) } })
  return parts
}

/** Rooms first: after each frame the client forgets people who are in no roster. */
function* entriesOf({ users = [], groups = [], conversations = [] }: PresenceDiff): Iterable<Entry> {
  for (const room of groups) for (const value of piecesOf(room)) yield { in: 'groups', value }
  for (const room of conversations) for (const value of piecesOf(room)) yield { in: 'conversations', value }
  for (const value of users) yield { in: 'users', value }
}

function* piecesOf<Id>({ roster = [], ...room }: RoomChange<Id>): Iterable<RoomChange<Id>> {
  const first = roster.slice(0, ROSTER_PIECE)
  yield room.mode === 'names' || first.length > 0 ? { ...room, roster: first } : room
  for (let index = ROSTER_PIECE; index < roster.length; index += ROSTER_PIECE) {
    const add: readonly UserId[] = roster.slice(index, index + ROSTER_PIECE)
    yield { id: room.id, add }
  }
}

function diffOf(entries: readonly Entry[]): PresenceEvent {
  const users = entries.flatMap((entry) => (entry.in === 'users' ? [entry.value] : []))
  const groups = entries.flatMap((entry) => (entry.in === 'groups' ? [entry.value] : []))
  const conversations = entries.flatMap((entry) => (entry.in === 'conversations' ? [entry.value] : []))
  return {
    name: 'presence:diff',
    payload: {
      ...(users.length > 0 && { users }),
      ...(groups.length > 0 && { groups }),
      ...(conversations.length > 0 && { conversations }),
    },
  }
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
