/**
 * All metrics of presence, in one table: `docs/metrics.md`, `presence.metrics()`, Prometheus and OpenTelemetry are made
 * from it. Each label has a fixed list of values, so that the number of series is known; no label names a user, a room
 * or a device.
 *
 * Counters are plain numbers that the path of a frame increments. Gauges are read when somebody asks.
 */
import { CLIENT_EVENTS, ERRORS, type ClientEventName, type PresenceServerEvents } from '@vigie/protocol'
import {
  createHistogram,
  FEED_LAG_LIMITS_S,
  TRANSITION_REASONS,
  READ_LIMITS_S,
  type Census,
  type Counts,
  type Effect,
  type FeedCounts,
  type Histogram,
  type HistogramData,
  type TrailCounts,
  type TransitionReason,
} from '../core/index.js'
import type { MetricFamily, MetricKind, MetricSample } from './metric-families.js'
import { NO_GHOSTS, type GhostPlace, type Ghosts } from './server-api.js'

type Labels = Readonly<Record<string, string>>

/** What there is to know of a metric before it is read. */
export interface MetricDescription {
  readonly name: string
  readonly kind: MetricKind
  /** One sentence. */
  readonly help: string
  readonly unit: 'seconds' | 'bytes' | 'count'
  /** The labels of each series that there may be, and no other. */
  readonly series: readonly Labels[]
}

/** One row of the table. */
interface Metric extends MetricDescription {
  /** Undefined: there is nothing to tell, no change feed say. */
  readonly read: (from: MetricSources, labels: Labels) => number | HistogramData | undefined
}

/** What people are told, by what it is about. A promise is made for each. */
export const LEVELS = ['group', 'conversation', 'typing', 'first_picture'] as const
export type Level = (typeof LEVELS)[number]

/** Limits of the buckets of `presence_publish_seconds`. The promises (50, 100 and 200 ms) are among them. */
const PUBLISH_LIMITS_S: readonly number[] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5]

/** Sizes of writes: the name of the class, and the most bytes that it has. */
const SIZE_CLASSES = [
  { name: '128', most: 128 },
  { name: '1k', most: 1_024 },
  { name: '16k', most: 16_384 },
  { name: '64k', most: 65_536 },
  { name: 'more', most: Infinity },
] as const

const MOST_BYTES = SIZE_CLASSES.map(({ most }) => most).slice(0, -1)

/** Why a connection ended, as Socket.IO names it, with underscores. */
const DISCONNECTS = [
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

const TRANSPORTS = ['websocket', 'polling', 'webtransport', 'other'] as const

type EventName = keyof PresenceServerEvents
const EVENT_NAMES: Readonly<Record<EventName, true>> = {
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
const CLIENT_AUDIT_RESULTS = ['equal', 'different', 'unanswered', 'malformed', 'skipped'] as const
const MESSAGE_RESULTS = ['ok', 'refused', 'over_limit'] as const
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
const CLOSE_CODES = [
  ...Object.keys(ERRORS).filter((code) => !OF_MESSAGES.has(code)),
  'replaced',
  'left',
] as const

/** The session counts until its grace is over: nobody sees a difference. */
const UNSEEN: ReadonlySet<TransitionReason> = new Set(['lost', 'token_expired'])

type Tally<Name extends string> = Record<Name, number>

function tally<Name extends string>(names: readonly Name[]): Tally<Name> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Tally<Name>
}

function increment(counts: Tally<string>, name: string, otherwise?: string): void {
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
  /** See {@link FALSE_OFFLINE_MS}. */
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

/** Somebody who comes back so soon after their grace was over should not have been shown as offline. */
export const FALSE_OFFLINE_MS = 60_000
/** Most people who are remembered for it: the oldest are forgotten first. */
export const FALSE_OFFLINE_MAX = 10_000

/** Counts transitions; `tell` is called with each effect of the engine. */
export function createTransitionCounter(counts: ShellCounts): (effect: Effect) => void {
  /** When each went offline because a grace was over, the oldest first. */
  const wentOffline = new Map<string, number>()

  function forget(now: number): void {
    for (const [userId, at] of wentOffline) {
      if (now - at <= FALSE_OFFLINE_MS && wentOffline.size <= FALSE_OFFLINE_MAX) return
      wentOffline.delete(userId)
    }
  }

  return (effect) => {
    if (effect.type === 'typing') counts.transitions[effect.typing ? 'start' : 'stop']++
    if (effect.type !== 'presence') return
    const { userId, before, after, reason, at } = effect
    counts.transitions[reason]++
    if (before.online === after.online) return
    if (!after.online) {
      if (reason !== 'grace_over' && reason !== 'node_lost') return
      wentOffline.set(userId, at)
      forget(at)
      return
    }
    const since = wentOffline.get(userId)
    if (since !== undefined && at - since <= FALSE_OFFLINE_MS) counts.falseOffline++
    wentOffline.delete(userId)
  }
}

/** Everything that metrics are read from, as it is at one moment. */
export interface MetricSources {
  readonly counts: ShellCounts
  readonly core: Readonly<Counts>
  readonly census: Census
  readonly connections: {
    /** The name of each session's transport, as engine.io has it. */
    readonly transports: Iterable<string>
    readonly blocked: number
    readonly refusalsHeld: number
  }
  /** What the auditor found lately, and all that it has repaired. */
  readonly ghosts: Ghosts
  readonly ghostsRepaired: number
  readonly admission: { readonly waiting: number; readonly delayMs: number }
  readonly loop: { readonly lagMs: number; readonly pressureStep: number }
  readonly rows: {
    readonly held: Readonly<Record<'users' | 'rooms', number>>
    readonly seconds: Readonly<Record<'users' | 'rooms', HistogramData>>
    readonly failed: Readonly<Record<'users' | 'rooms', number>>
    readonly waiting: Readonly<Record<'asked' | 'reread', number>>
    readonly isAway: boolean
  }
  readonly feed: FeedCounts | undefined
  /** Undefined: there is no audit trail. */
  readonly trail: TrailCounts | undefined
  /** On the clock of `performance.now()`. */
  readonly now: number
}

const NOTHING_READ = createHistogram([])
/** What a presence without sockets and without rows to read has to tell beside its engine. */
export const NOTHING_MEASURED: Omit<MetricSources, 'counts' | 'core' | 'census' | 'now'> = {
  connections: { transports: [], blocked: 0, refusalsHeld: 0 },
  ghosts: NO_GHOSTS,
  ghostsRepaired: 0,
  admission: { waiting: 0, delayMs: 0 },
  loop: { lagMs: 0, pressureStep: 0 },
  rows: {
    held: { users: 0, rooms: 0 },
    seconds: { users: NOTHING_READ, rooms: NOTHING_READ },
    failed: { users: 0, rooms: 0 },
    waiting: { asked: 0, reread: 0 },
    isAway: false,
  },
  feed: undefined,
  trail: undefined,
}

type Read = Metric['read']

const gauge = (name: string, help: string, read: Read, series: readonly Labels[] = NO_LABELS): Metric =>
  metric('gauge', name, { help, read, series })
const counter = (name: string, help: string, read: Read, series: readonly Labels[] = NO_LABELS): Metric =>
  metric('counter', name, { help, read, series })
const histogram = (name: string, help: string, read: Read, series: readonly Labels[] = NO_LABELS): Metric =>
  metric('histogram', name, { help, read, series })

function metric(
  kind: MetricKind,
  name: string,
  rest: { readonly help: string; readonly read: Read; readonly series: readonly Labels[] },
): Metric {
  const unit = name.endsWith('_seconds') ? 'seconds' : name.includes('_bytes_') ? 'bytes' : 'count'
  return { name, kind, unit, ...rest }
}

const NO_LABELS: readonly Labels[] = [{}]

/** One series for each value of one label. */
function each(label: string, values: readonly string[]): readonly Labels[] {
  return values.map((value) => ({ [label]: value }))
}

function cross(first: readonly Labels[], second: readonly Labels[]): readonly Labels[] {
  return first.flatMap((a) => second.map((b) => ({ ...a, ...b })))
}

/** In the order in which the document shows it. */
const TABLE: readonly Metric[] = [
  gauge(
    'presence_connections',
    'Open connections that are sessions, by transport.',
    ({ connections }, { transport }) => transportsOf(connections.transports)[transport ?? ''],
    each('transport', TRANSPORTS),
  ),
  gauge(
    'presence_sessions',
    'Sessions: live ones, and lost ones whose grace is not over.',
    ({ census }, { state }) => (state === 'live' ? census.live : census.lost),
    each('state', ['live', 'lost']),
  ),
  gauge('presence_users_online', 'Users who are online.', ({ census }) => census.online),
  gauge(
    'presence_rooms',
    'Groups and conversations whose rows are held, by mode: with names, or counted.',
    ({ census }, { kind, mode }) =>
      census[kind === 'group' ? 'groups' : 'conversations'][mode === 'names' ? 'names' : 'count'],
    cross(each('kind', ['group', 'conversation']), each('mode', ['names', 'count'])),
  ),
  gauge(
    'presence_typing_active',
    'Users who are typing, once for each conversation.',
    ({ census }) => census.typing,
  ),
  counter(
    'presence_transitions_total',
    'Changes that others can see, by what caused them: of a user’s presence or number of devices, and starts and stops of typing.',
    ({ counts }, { reason }) => counts.transitions[reason as TransitionReason],
    [
      ...TRANSITION_REASONS.filter((reason) => !UNSEEN.has(reason)).map((reason) => ({
        level: 'presence',
        reason,
      })),
      { level: 'typing', reason: 'start' },
      { level: 'typing', reason: 'stop' },
    ],
  ),
  counter(
    'presence_false_offline_total',
    'Users who were shown as offline because their grace was over, and were back within a minute.',
    ({ counts }) => counts.falseOffline,
  ),
  counter(
    'presence_reattach_total',
    'Lost sessions: those that came back within their grace, and those whose grace was over.',
    ({ core }, { result }) => (result === 'returned' ? core.returned : core.expired),
    each('result', ['returned', 'expired']),
  ),
  histogram(
    'presence_publish_seconds',
    'Time from a change to the last write that tells it, of a sample of changes.',
    ({ counts }, { level }) => counts.publishSeconds[level as Level],
    each('level', LEVELS),
  ),
  counter(
    'presence_frames_total',
    'Events written to clients, by name.',
    ({ counts }, { kind }) => counts.frames[kind as EventName],
    each('kind', Object.keys(EVENT_NAMES)),
  ),
  counter(
    'presence_bytes_out_total',
    'Bytes written to clients, by the size of the write; compression and encryption come after it.',
    ({ counts }, { size_class: size }) => counts.bytes[SIZE_CLASSES.findIndex(({ name }) => name === size)],
    each(
      'size_class',
      SIZE_CLASSES.map(({ name }) => name),
    ),
  ),
  counter(
    'presence_coalesced_total',
    'Pieces of news that joined one that was pending for the same session about the same user.',
    ({ core }) => core.coalesced,
  ),
  counter(
    'presence_suppressed_total',
    'What was not told: sessions of which everything had changed back, losses within the grace, news that a session may not see any more, messages over the limit, repeated typing.',
    ({ core, counts }, { why }) => suppressed(core, counts)[why ?? ''],
    each('why', ['unchanged', 'grace', 'privacy', 'over_limit', 'repeated']),
  ),
  counter(
    'presence_resync_total',
    'First pictures: of clients that had none, only what had changed, or a whole one because the client’s could not be continued.',
    ({ core }, { why }) => firstPictures(core)[why ?? ''],
    each('why', ['new', 'continued', 'outdated']),
  ),
  gauge(
    'presence_pending_entries',
    'Entries that wait to be written to sessions.',
    ({ census }) => census.pending,
  ),
  gauge(
    'presence_connections_blocked',
    'Sessions whose connection could not be written when they were due: the client does not read, or does not poll.',
    ({ connections }) => connections.blocked,
  ),
  counter(
    'presence_stalled_cut_total',
    'Connections that were cut because the client had read nothing for stalledClientMs.',
    ({ counts }) => counts.stalledCuts,
  ),
  counter(
    'presence_messages_total',
    'Messages from clients, by name and by what came of them.',
    ({ counts }, { name, result }) =>
      counts.messages[name as ClientEventName][result as (typeof MESSAGE_RESULTS)[number]],
    cross(each('name', CLIENT_EVENTS), each('result', MESSAGE_RESULTS)),
  ),
  counter(
    'presence_auth_closed_total',
    'Connections that were refused and sessions that the server ended, by code.',
    ({ counts }, { why }) => counts.closed[why ?? ''],
    each('why', CLOSE_CODES),
  ),
  counter(
    'presence_disconnects_total',
    'Sessions whose connection has ended, by the reason that Socket.IO names.',
    ({ counts }, { reason }) => counts.disconnects[reason as (typeof DISCONNECTS)[number]],
    each('reason', DISCONNECTS),
  ),
  gauge(
    'presence_ghosts',
    'What the auditor found to be otherwise than it was shown, in its last round and in this one, by place; always 0, unless something is wrong.',
    ({ ghosts }, { place }) => ghosts[place as GhostPlace],
    each('place', Object.keys(NO_GHOSTS)),
  ),
  counter(
    'presence_ghosts_repaired_total',
    'What the auditor found to be otherwise than it was shown, and put right.',
    ({ ghostsRepaired }) => ghostsRepaired,
  ),
  counter(
    'presence_client_audits_total',
    'Clients that were asked whether what they show is what they were told, by what came of it; `skipped`: they could not be asked.',
    ({ counts }, { result }) => counts.clientAudits[result as (typeof CLIENT_AUDIT_RESULTS)[number]],
    each('result', CLIENT_AUDIT_RESULTS),
  ),
  gauge(
    'presence_admission_waiting',
    'Connections that wait to be checked.',
    ({ admission }) => admission.waiting,
  ),
  gauge(
    'presence_admission_delay_seconds',
    'How long the oldest connection that was held back has waited; 0: nobody is held back.',
    ({ admission }) => admission.delayMs / 1_000,
  ),
  gauge(
    'presence_refusals_held',
    'Refused connections that are held for about a second before they are cut.',
    ({ connections }) => connections.refusalsHeld,
  ),
  histogram(
    'presence_membership_lag_seconds',
    'Time from the writing of a membership row to the poll that told it: the oldest change of each poll.',
    ({ feed }) => feed?.lagSeconds,
  ),
  gauge(
    'presence_feed_age_seconds',
    'How long ago the last successful poll of the change feed began: presence knows of every change that was committed before it.',
    ({ feed, now }) => feed && Math.max(0, now - feed.completeAt) / 1_000,
  ),
  counter(
    'presence_feed_polls_total',
    'Polls of the change feed.',
    ({ feed }, { result }) => feed && (result === 'ok' ? feed.polls : feed.failedPolls),
    each('result', ['ok', 'failed']),
  ),
  counter(
    'presence_feed_changes_total',
    'Users, groups and conversations that the change feed told to be read again.',
    ({ feed }) => feed?.changes,
  ),
  counter(
    'presence_feed_overruns_total',
    'How often everything had to be read again because what had changed was not known any more.',
    ({ feed }) => feed?.overruns,
  ),
  counter(
    'presence_trail_rows_total',
    'Rows of the audit trail that were written.',
    ({ trail }) => trail?.written,
  ),
  gauge(
    'presence_trail_waiting',
    'Facts that wait in memory to be written to the audit trail, at most `trailBufferMax`.',
    ({ trail }) => trail?.waiting,
  ),
  gauge(
    'presence_trail_lag_seconds',
    'How long the oldest of them has waited.',
    ({ trail }) => trail && trail.lagMs / 1_000,
  ),
  counter(
    'presence_trail_dropped_total',
    'Facts that are missing in the audit trail, because there was no room for them to wait or a write came too late; the trail says so.',
    ({ trail }) => trail?.dropped,
  ),
  counter(
    'presence_trail_write_failures_total',
    'Attempts to write to the audit trail that failed; the same rows are written again.',
    ({ trail }) => trail?.failures,
  ),
  gauge(
    'presence_held_rows',
    'Users and rooms whose rows are held.',
    ({ rows }, { kind }) => rows.held[kind === 'users' ? 'users' : 'rooms'],
    each('kind', ['users', 'rooms']),
  ),
  histogram(
    'presence_row_read_seconds',
    'Time that one read of rows took, of many users or rooms at once; reads that failed are not in it.',
    ({ rows }, { kind }) => rows.seconds[kind === 'users' ? 'users' : 'rooms'],
    each('kind', ['users', 'rooms']),
  ),
  counter(
    'presence_row_read_failures_total',
    'Reads of rows that failed.',
    ({ rows }, { kind }) => rows.failed[kind === 'users' ? 'users' : 'rooms'],
    each('kind', ['users', 'rooms']),
  ),
  gauge(
    'presence_rows_waiting',
    'Users and rooms whose rows wait to be read: because they are new or have changed, or by the slow re-read.',
    ({ rows }, { why }) => rows.waiting[why === 'asked' ? 'asked' : 'reread'],
    each('why', ['asked', 'reread']),
  ),
  gauge(
    'presence_rows_reachable',
    'Whether the last read of rows was answered: 1 or 0. While it is 0 the rows last read stand.',
    ({ rows }) => (rows.isAway ? 0 : 1),
  ),
  gauge(
    'presence_event_loop_lag_seconds',
    'The latest that the event loop was within the last 15 to 30 seconds.',
    ({ loop }) => loop.lagMs / 1_000,
  ),
  gauge(
    'presence_pressure_step',
    'How many steps all windows are widened because presence has more to do than there is time for: 0 to 4.',
    ({ loop }) => loop.pressureStep,
  ),
]

/** The table, for those who export it: every metric that there may be, and no other. */
export const METRICS: readonly MetricDescription[] = TABLE

/** Upper limits of the buckets of each histogram. */
export const METRIC_LIMITS: ReadonlyMap<string, readonly number[]> = new Map([
  ['presence_publish_seconds', PUBLISH_LIMITS_S],
  ['presence_membership_lag_seconds', FEED_LAG_LIMITS_S],
  ['presence_row_read_seconds', READ_LIMITS_S],
])

/** The table with the values of this moment. */
export function readMetrics(from: MetricSources): readonly MetricFamily[] {
  const sources = {
    ...from,
    connections: { ...from.connections, transports: [...from.connections.transports] },
  }
  return TABLE.map(({ name, kind, help, series, read }) => ({
    name,
    kind,
    help,
    samples: series.flatMap((labels) => sampleOf(labels, read(sources, labels))),
  }))
}

function sampleOf(labels: Labels, value: number | HistogramData | undefined): readonly MetricSample[] {
  if (value === undefined) return []
  if (typeof value === 'number') return [{ labels, value }]
  let below = 0
  const buckets = value.limits.map((limit, place) => [limit, (below += value.counts[place] ?? 0)] as const)
  return [{ labels, buckets, sum: value.sum, count: value.count }]
}

function transportsOf(names: Iterable<string>): Tally<string> {
  const counts: Tally<string> = tally(TRANSPORTS)
  for (const name of names) increment(counts, name, 'other')
  return counts
}

function suppressed(core: Readonly<Counts>, { messages }: ShellCounts): Tally<string> {
  const overLimit = Object.values(messages).reduce((sum, results) => sum + results.over_limit, 0)
  const { unchanged, returned, hidden, repeated } = core
  return { unchanged, grace: returned, privacy: hidden, over_limit: overLimit, repeated }
}

function firstPictures({ firstNew, firstContinued, firstOutdated }: Readonly<Counts>): Tally<string> {
  return { new: firstNew, continued: firstContinued, outdated: firstOutdated }
}
