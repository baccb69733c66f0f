/**
 * Every number that steers the engine and its shell, in one table: default, range, unit, meaning. The library's
 * options, `vigie.config.json`, the `VIGIE_…` variables and `docs/configuration.md` are all made from it.
 */
interface SettingRow {
  readonly default: number
  readonly min: number
  readonly max: number
  readonly unit: 'ms' | 'count' | 'share'
  readonly meaning: string
}

export const SETTINGS = {
  graceMs: {
    default: 5_000,
    min: 0,
    max: 600_000,
    unit: 'ms',
    meaning: 'How long a session whose connection was lost without a word still counts.',
  },
  leaveGraceMs: {
    default: 0,
    min: 0,
    max: 600_000,
    unit: 'ms',
    meaning: 'The same after a client disconnected by itself; 0: it is gone at once.',
  },
  backgroundGraceMaxMs: {
    default: 60_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    meaning: 'Longest grace that a client may ask for with `presence:background`.',
  },
  reattachGraceMs: {
    default: 15_000,
    min: 0,
    max: 600_000,
    unit: 'ms',
    meaning: 'Grace after a node died, or when many sessions were lost at once.',
  },
  massLossShare: {
    default: 0.1,
    min: 0.01,
    max: 1,
    unit: 'share',
    meaning: 'More than this share of the sessions lost within `graceMs` is a mass loss.',
  },
  massLossMinSessions: {
    default: 50,
    min: 2,
    max: 1_000_000,
    unit: 'count',
    meaning: 'With fewer sessions than this there is no mass loss: two of ten people leaving is ordinary.',
  },
  typingLeaseMs: {
    default: 8_000,
    min: 100,
    max: 60_000,
    unit: 'ms',
    meaning: 'Typing ends by itself after this long without a repeated `typing:start`.',
  },
  typingRepeatMs: {
    default: 3_000,
    min: 40,
    max: 60_000,
    unit: 'ms',
    meaning: 'How often a client that types repeats `typing:start`; others never hear a repetition.',
  },
  offlineMemoryMs: {
    default: 900_000,
    min: 0,
    max: 86_400_000,
    unit: 'ms',
    meaning: 'How long a first picture still names people who went offline.',
  },
  offlineMemoryMax: {
    default: 50_000,
    min: 0,
    max: 10_000_000,
    unit: 'count',
    meaning: 'Most people remembered as offline; the oldest are forgotten first.',
  },
  windowMs: {
    default: 20,
    min: 0,
    max: 10_000,
    unit: 'ms',
    meaning: 'A session is written at most once in this time; 0: as often as something changes.',
  },
  idleWindowMs: {
    default: 5,
    min: 0,
    max: 10_000,
    unit: 'ms',
    meaning:
      'A session that had nothing to be told for `windowMs` is written a second time this soon; the longer `windowMs` holds from then on.',
  },
  occupancyWindowMs: {
    default: 1_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    meaning: 'In count mode, the members hear a number and names of typists at most once in this time.',
  },
  occupancyShare: {
    default: 0.01,
    min: 0,
    max: 1,
    unit: 'share',
    meaning: 'In count mode, a number that moved by less than this share is not told.',
  },
  occupancyTypistsMax: {
    default: 3,
    min: 0,
    max: 100,
    unit: 'count',
    meaning: 'In count mode, most typists that are named at a time.',
  },
  namesMax: {
    default: 250,
    min: 1,
    max: 10_000,
    unit: 'count',
    meaning:
      'Above this many members a group or conversation is in count mode; at 80 % of it, back in names mode.',
  },
  sessionsPerUserMax: {
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'count',
    meaning: 'Most sessions of one user, lost ones included.',
  },
  membershipsPerUserMax: {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    unit: 'count',
    meaning: 'Most groups and conversations of one user; the rest is left out, and the log says so.',
  },
  transitionsMax: {
    default: 10_000,
    min: 0,
    max: 1_000_000,
    unit: 'count',
    meaning:
      'Most transitions that are remembered with their reasons, of all users together, for `explain`; 0: none.',
  },
  pendingMax: {
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: 'count',
    meaning: 'Most connections that wait to be let in; one more is closed and comes back later.',
  },
  admittingMax: {
    default: 500,
    min: 1,
    max: 100_000,
    unit: 'count',
    meaning: 'Most connections that are checked at a time; the others wait in order of coming.',
  },
  admissionLagMs: {
    default: 250,
    min: 20,
    max: 60_000,
    unit: 'ms',
    meaning: 'While the event loop is later than this, connections are let in one by one.',
  },
  admissionWaitMs: {
    default: 10_000,
    min: 50,
    max: 19_000,
    unit: 'ms',
    meaning:
      'Who has waited this long to be let in is closed and comes back later; graces are put off by at most this.',
  },
  tokenCacheMax: {
    default: 10_000,
    min: 0,
    max: 1_000_000,
    unit: 'count',
    meaning: 'Most tokens that are known to be good: one signed with a private key is checked once; 0: none.',
  },
  eventsPerSecond: {
    default: 10,
    min: 1,
    max: 10_000,
    unit: 'count',
    meaning: 'Messages of one name that a session may send a second, in the long run.',
  },
  eventsBurst: {
    default: 30,
    min: 1,
    max: 100_000,
    unit: 'count',
    meaning:
      'Messages of one name that a session may send at once; as many refusals are answered, then none.',
  },
  readBatchMs: {
    default: 25,
    min: 0,
    max: 1_000,
    unit: 'ms',
    meaning:
      'How long a read of memberships waits for others to share its query; in a storm longer, up to 150 ms.',
  },
  readRetryMs: {
    default: 1_000,
    min: 10,
    max: 60_000,
    unit: 'ms',
    meaning: 'How long after a failed read of a connected user’s memberships it is tried again.',
  },
  rereadMs: {
    default: 60_000,
    min: 0,
    max: 86_400_000,
    unit: 'ms',
    meaning:
      'All memberships that are held are read again once in this time, in small reads: changes that no feed has told are found; 0: never.',
  },
  auditMs: {
    default: 60_000,
    min: 0,
    max: 86_400_000,
    unit: 'ms',
    meaning:
      'Everything that is held is compared with what it was made from once in this time, a little at a time: ghosts are found, counted and repaired; 0: never.',
  },
  trailBufferMax: {
    default: 100_000,
    min: 1_000,
    max: 10_000_000,
    unit: 'count',
    meaning:
      'Most facts of the audit trail that wait in memory while PostgreSQL is away, about 300 bytes each; what comes after them is counted and missing in it, and the trail says so.',
  },
  trailFlushMs: {
    default: 250,
    min: 10,
    max: 60_000,
    unit: 'ms',
    meaning:
      'How long a fact of the audit trail waits for others before they are written; a process that is killed loses what waited.',
  },
  authenticateMs: {
    default: 10_000,
    min: 100,
    max: 300_000,
    unit: 'ms',
    meaning:
      'How long the check of a token may take; after it the connection is closed and comes back later.',
  },
  stalledClientMs: {
    default: 60_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    meaning: 'A connection that has something pending and takes nothing for this long is cut.',
  },
  tokenClockToleranceMs: {
    default: 5_000,
    min: 0,
    max: 300_000,
    unit: 'ms',
    meaning:
      'How far the clock of who issues tokens may differ: `nbf` may be so much ahead, and a session ends so much after `exp`.',
  },
  tokenMaxLength: {
    default: 8_192,
    min: 256,
    max: 900_000,
    unit: 'count',
    meaning: 'Longest token that is looked at, in characters; a longer one is refused as `token_too_long`.',
  },
  tokenCheckMs: {
    default: 30_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    meaning: 'How often the ends of tokens are compared with the wall clock, which may be set.',
  },
} as const satisfies Record<string, SettingRow>

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS
/** Every setting with its value. Durations are milliseconds. */
export type Settings = { readonly [Name in SettingName]: number }

/** In names mode again at this share of `namesMax`: a room at the border does not flip with each row. */
export const NAMES_RETURN_SHARE = 0.8
/** A shorter round of the auditor would leave no time for a second look. */
export const AUDIT_MIN_MS = 100
/** A lease must outlive this many repetitions, or one late packet ends it. */
const REPEATS_PER_LEASE = 2.5

/**
 * Defaults filled in, ranges and combinations checked.
 * @throws RangeError with one sentence that names the setting, its value and what it may be.
 */
export function resolveSettings(input: Partial<Settings> = {}): Settings {
  const resolved: Record<string, number> = {}
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const row: SettingRow = SETTINGS[name]
    const value = input[name] ?? row.default
    const isWhole = row.unit === 'share' || Number.isInteger(value)
    if (typeof value !== 'number' || !(value >= row.min && value <= row.max) || !isWhole) {
      const kind = row.unit === 'share' ? 'a number' : 'a whole number'
      throw new RangeError(`${name} is ${String(value)}; it must be ${kind} from ${row.min} to ${row.max}.`)
    }
    // The table has fractions, too, so its whole numbers are kept as if they were some; and so would be each deadline
    // reckoned from one, as an object of its own in each session. What is cut off is nothing, and makes them whole.
    resolved[name] = row.unit === 'share' ? value : Math.trunc(value)
  }
  const settings = resolved as Settings
  if (settings.typingLeaseMs < REPEATS_PER_LEASE * settings.typingRepeatMs) {
    throw new RangeError(
      `typingLeaseMs is ${settings.typingLeaseMs} and typingRepeatMs ${settings.typingRepeatMs}; ` +
        `a lease under ${REPEATS_PER_LEASE} repetitions would end while somebody types.`,
    )
  }
  if (settings.reattachGraceMs < settings.graceMs) {
    throw new RangeError(
      `reattachGraceMs is ${settings.reattachGraceMs} and graceMs ${settings.graceMs}; ` +
        `after a mass loss people need at least the ordinary grace.`,
    )
  }
  if (settings.auditMs > 0 && settings.auditMs < AUDIT_MIN_MS) {
    throw new RangeError(
      `auditMs is ${settings.auditMs}; a round of the auditor needs at least ${AUDIT_MIN_MS} ms, and 0 turns it off.`,
    )
  }
  return settings
}
