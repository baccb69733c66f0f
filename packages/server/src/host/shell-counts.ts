/** What the plugin counts: plain numbers that the path of a frame increments. The table of metrics reads them. */
import { CLIENT_EVENTS, ERRORS, type ClientEventName, type PresenceServerEvents } from '@vigie/protocol'
import { createHistogram, TRANSITION_REASONS, type Histogram, type TransitionReason } from '../core/index.js'

/** Kinds of events for clients. Each has a latency limit of its own. */
export const LEVELS = ['group', 'conversation', 'typing', 'first_picture'] as const
export type Level = (typeof LEVELS)[number]

/** Limits of the buckets of `presence_publish_seconds`. The promises (50, 100 and 200 ms) are among them. */
export const PUBLISH_LIMITS_S: readonly number[] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5]

/** Sizes of writes: the name of the class, and the most bytes that it has. */
export const SIZE_CLASSES = [
  { name: '128', most: 128 },
  { name: '1k', most: 1_024 },
  { name: '16k', most: 16_384 },
  { name: '64k', most: 65_536 },
  { name: 'more', most: Infinity },
] as const

const MOST_BYTES = SIZE_CLASSES.map(({ most }) => most).slice(0, -1)

/** Why a connection ended, as Socket.IO names it, with underscores. */
export const DISCONNECTS = [
  'client_namespace_disconnect',
  'server_namespace_disconnect',
  'server_shutting_down',
  'ping_timeout',
  'transport_close',
  'transport_error',
  'parse_error',
  'forced_close',
  'forced_server_close',
  'other',
] as const

export type EventName = keyof PresenceServerEvents
export const EVENT_NAMES: Readonly<Record<EventName, true>> = {
  'presence:state': true,
  'presence:diff': true,
  'presence:update': true,
  'presence:conversation': true,
  'presence:occupancy': true,
  'presence:devices': true,
  'presence:closed': true,
  'presence:digest': true,
  'typing:start': true,
  'typing:stop': true,
}
/** What came of a client that was picked to be asked for a digest of its picture. */
export const CLIENT_AUDIT_RESULTS = ['equal', 'different', 'unanswered', 'malformed', 'skipped'] as const
export const MESSAGE_RESULTS = ['ok', 'refused', 'over_limit'] as const
/** Codes of a connection that is refused, or of a session that the server ends. Messages have codes of their own. */
const OF_MESSAGES: ReadonlySet<string> = new Set([
  'token_other_user',
  'token_superseded',
  'invalid_payload',
  'not_member',
  'rate_limited',
  'too_many_watched',
  'session_ended',
])
export const CLOSE_CODES = [
  ...Object.keys(ERRORS).filter((code) => !OF_MESSAGES.has(code)),
  'replaced',
  'left',
] as const

export type Tally<Name extends string> = Record<Name, number>

export function tally<Name extends string>(names: readonly Name[]): Tally<Name> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Tally<Name>
}

export function increment(counts: Tally<string>, name: string, otherwise?: string): void {
  const known = counts[name] === undefined ? otherwise : name
  if (known !== undefined) counts[known] = (counts[known] ?? 0) + 1
}

/** What the plugin has done since it was attached. The numbers grow. */
export interface ShellCounts {
  /** Events that were written. */
  readonly frames: Tally<EventName>
  /** Bytes of writes, by size of the write. */
  readonly bytes: Float64Array
  readonly transitions: Tally<TransitionReason | 'start' | 'stop'>
  /** See `FALSE_OFFLINE_MS` of transition-counter.ts. */
  falseOffline: number
  readonly messages: Readonly<Record<ClientEventName, Tally<(typeof MESSAGE_RESULTS)[number]>>>
  readonly closed: Tally<string>
  readonly disconnects: Tally<(typeof DISCONNECTS)[number]>
  /** Connections that were cut because they could not be written for `stalledClientMs`. */
  stalledCuts: number
  readonly clientAudits: Tally<(typeof CLIENT_AUDIT_RESULTS)[number]>
  readonly publishSeconds: Readonly<Record<Level, Histogram>>
}

export function createShellCounts(): ShellCounts {
  return {
    frames: tally(Object.keys(EVENT_NAMES) as EventName[]),
    bytes: new Float64Array(SIZE_CLASSES.length),
    transitions: tally([...TRANSITION_REASONS, 'start', 'stop'] as const),
    falseOffline: 0,
    messages: Object.fromEntries(
      CLIENT_EVENTS.map((name) => [name, tally(MESSAGE_RESULTS)]),
    ) as unknown as ShellCounts['messages'],
    closed: tally(CLOSE_CODES),
    disconnects: tally(DISCONNECTS),
    stalledCuts: 0,
    clientAudits: tally(CLIENT_AUDIT_RESULTS),
    publishSeconds: Object.fromEntries(
      LEVELS.map((level) => [level, createHistogram(PUBLISH_LIMITS_S)]),
    ) as Record<Level, Histogram>,
  }
}

export function countBytes({ bytes }: ShellCounts, size: number): void {
  let place = 0
  for (const most of MOST_BYTES) {
    if (size <= most) break
    place++
  }
  bytes[place] = (bytes[place] ?? 0) + size
}

/** Called for each write: the name that nearly all have is constant, so that its counter is found without a look-up. */
export function countFrames({ frames }: ShellCounts, events: readonly { readonly name: EventName }[]): void {
  for (const { name } of events) {
    if (name === 'presence:diff') frames['presence:diff']++
    else frames[name]++
  }
}

export function countClose({ closed }: ShellCounts, code: string): void {
  increment(closed, code)
}

/** @param reason As Socket.IO names it. */
export function countDisconnect({ disconnects }: ShellCounts, reason: string): void {
  increment(disconnects, reason.replaceAll(' ', '_'), 'other')
}
