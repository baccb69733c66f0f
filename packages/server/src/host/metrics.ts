/**
 * All metrics of presence, in one table: `docs/metrics.md`, `presence.metrics()`, Prometheus and OpenTelemetry are made
 * from it. Each label has a fixed list of values, so that the number of series is known; no label names a user, a room
 * or a device.
 *
 * Counters are plain numbers that the path of a frame increments. Gauges are read when somebody asks.
 */
import { CLIENT_EVENTS, type ClientEventName } from '@vigie/protocol'
import {
  createHistogram,
  FEED_LAG_LIMITS_S,
  TRANSITION_REASONS,
  READ_LIMITS_S,
  type Census,
  type Counts,
  type FeedCounts,
  type HistogramData,
  type TrailCounts,
  type TransitionReason,
  type WebhookCounts,
} from '../core/index.js'
import type { MetricFamily, MetricKind, MetricSample } from './metric-families.js'
import { NO_GHOSTS, type GhostPlace, type Ghosts } from './server-api.js'
import {
  CLIENT_AUDIT_RESULTS,
  CLOSE_CODES,
  DISCONNECTS,
  EVENT_NAMES,
  increment,
  LEVELS,
  MESSAGE_RESULTS,
  PUBLISH_LIMITS_S,
  SIZE_CLASSES,
  tally,
  type EventName,
  type Level,
  type ShellCounts,
  type Tally,
} from './shell-counts.js'

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

const TRANSPORTS = ['websocket', 'polling', 'webtransport', 'other'] as const
const WEBHOOK_RESULTS = ['delivered', 'failed', 'dead'] as const

/** The session counts until its grace is over: nobody sees a difference. */
const UNSEEN: ReadonlySet<TransitionReason> = new Set(['lost', 'token_expired'])

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
  /** Undefined: this server sends no webhooks, or somebody else reads its counts; see {@link withWebhooks}. */
  readonly webhooks?: WebhookCounts | undefined
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
  counter(
    'presence_webhook_attempts_total',
    'Attempts to deliver a webhook, by what came of them; `dead`: deliveries that were given up after the last one.',
    ({ webhooks }, { result }) => webhooks?.[result as (typeof WEBHOOK_RESULTS)[number]],
    each('result', WEBHOOK_RESULTS),
  ),
  gauge(
    'presence_webhook_waiting',
    'Webhooks that were read from the audit trail and have not arrived, at most `webhookWindowMax` for each endpoint.',
    ({ webhooks }) => webhooks?.waiting,
  ),
  gauge(
    'presence_webhook_lag_seconds',
    'How long ago the oldest of them happened.',
    ({ webhooks }) => webhooks && webhooks.lagMs / 1_000,
  ),
  gauge(
    'presence_webhook_dead_letters',
    'Webhooks that were given up and are kept for `webhookDeadLetterDays`; they can be sent again.',
    ({ webhooks }) => webhooks?.deadLetters,
  ),
  gauge(
    'presence_webhook_sending',
    'Whether this server is the one that sends webhooks: 1 or 0.',
    ({ webhooks }) => webhooks && (webhooks.isSending ? 1 : 0),
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

/** The same families with what a sender of webhooks has counted, which runs beside presence. */
export function withWebhooks(
  families: readonly MetricFamily[],
  webhooks: WebhookCounts | undefined,
): readonly MetricFamily[] {
  if (!webhooks) return families
  return families.map((family) => {
    const metric = WEBHOOK_METRICS.get(family.name)
    if (!metric) return family
    const { series, read } = metric
    // These read nothing else.
    const sources = { webhooks } as MetricSources
    return { ...family, samples: series.flatMap((labels) => sampleOf(labels, read(sources, labels))) }
  })
}

const WEBHOOK_METRICS: ReadonlyMap<string, Metric> = new Map(
  TABLE.filter(({ name }) => name.startsWith('presence_webhook_')).map((metric) => [metric.name, metric]),
)

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
