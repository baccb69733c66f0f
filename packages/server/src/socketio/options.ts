import type { Server, Socket } from 'socket.io'
import {
  hasMethods,
  isObject,
  refuseNonBoolean,
  refuseUnknown,
  refuseWrongLog,
  resolveSettings,
  SETTINGS,
  type Log,
  type Memberships,
  type Settings,
} from '../core/index.js'
import type { TrailStore } from '../trail/store.js'
import { consoleLog } from './console-log.js'
import { optionsOf } from './internals.js'

/** Most secrets that are tried for a token: the one in use, and the one that it is exchanged for. */
export const SECRETS_MAX = 2

/** How tokens are checked. Exactly one of `secret` and `jwksUrl`. */
export interface JwtOptions {
  /**
   * The shared secret, or a public key in PEM. While one is exchanged for another: both, tried in this order; a token
   * of either is good. At most {@link SECRETS_MAX}.
   */
  readonly secret?: string | readonly string[]
  /** Where the issuer publishes its public keys. */
  readonly jwksUrl?: string
  /** The `iss` that a token must have. */
  readonly issuer?: string
  /** The `aud` that a token must name. */
  readonly audience?: string
  /** @default ['HS256'] for a secret, ['RS256', 'ES256', 'EdDSA'] for keys. `none` is never accepted. */
  readonly algorithms?: readonly string[]
  /** The claim that holds the user's id. @default 'sub' */
  readonly userClaim?: string
}

/** Who a connection belongs to. */
export interface Identity {
  readonly userId: string
  /**
   * When the right to be connected ends, in milliseconds since 1970; absent: never. As for a token's `exp`, the session
   * ends `tokenClockToleranceMs` after it.
   */
  readonly expiresAt?: number | undefined
}

/**
 * What {@link attachPresence} is told. Every setting of {@link SETTINGS} is an option, too; durations are in
 * milliseconds, with the unit in the name.
 */
export interface PresenceOptions extends Partial<Settings> {
  /** Where the rows are: `postgresMemberships(…)`, `memoryMemberships(…)`, or your own. */
  readonly memberships: Memberships
  /** How tokens are checked. Exactly one of `auth` and `authenticate`. */
  readonly auth?: JwtOptions
  /**
   * Your own check, instead of `auth`: reject (or throw) to refuse. It runs again, with the new token in
   * `socket.handshake.auth.token`, when a client sends `presence:token`.
   */
  readonly authenticate?: (socket: Socket) => Identity | Promise<Identity>
  /**
   * The rooms of Socket.IO that are the rows, as prefixes: `io.to('conv:7')` reaches the members of that moment.
   * Nobody joins or leaves them, unless the adapter learns of rooms only when sockets join; see
   * docs/rooms.md. `false`: none.
   * @default { user: 'user:', group: 'group:', conversation: 'conv:' }
   */
  readonly rooms?: Partial<RoomPrefixes> | false
  /** `false`: shadow mode. Everything is derived and can be asked for; nothing is sent, no connection is refused or
   * ended (but by `kick`), and there are no rooms: the presence that you have goes on untouched. @default true */
  readonly emit?: boolean
  /** Accept a server with `connectionStateRecovery`, which breaks promises; see `docs/protocol.md`. @default false */
  readonly allowRecovery?: boolean
  /** Where the audit trail is kept: `postgresTrail({ sql })` of @vigie/server/postgres. Absent: there is none. */
  readonly trail?: TrailStore
  /** Whether the audit trail says who typed where and when. @default false */
  readonly trailTyping?: boolean
  /**
   * Written into the audit trail at each start, beside the options of presence: the host's version and its own settings, say.
   * An object that JSON can hold, of 65,536 characters at most. Put no secrets into it: everybody who may read the trail can
   * read it. @default nothing
   */
  readonly trailConfiguration?: Readonly<Record<string, unknown>>
  /** Where sentences for operators go; `silentLog`: nowhere. @default warnings and errors to the console */
  readonly log?: Log
}

export interface RoomPrefixes {
  readonly user: string
  readonly group: string
  readonly conversation: string
}

/** {@link PresenceOptions} with every default in place. */
export interface Options {
  readonly settings: Settings
  readonly memberships: Memberships
  readonly identify:
    { readonly jwt: JwtOptions } | { readonly authenticate: NonNullable<PresenceOptions['authenticate']> }
  readonly rooms: RoomPrefixes | undefined
  readonly emit: boolean
  readonly trail: TrailStore | undefined
  readonly trailTyping: boolean
  readonly trailConfiguration: Readonly<Record<string, unknown>> | undefined
  readonly log: Log
}

const DEFAULT_ROOMS: RoomPrefixes = { user: 'user:', group: 'group:', conversation: 'conv:' }

/** Every option that is no setting. The compiler asks for each. */
const OWN_OPTIONS: Readonly<Record<Exclude<keyof PresenceOptions, keyof Settings>, true>> = {
  memberships: true,
  auth: true,
  authenticate: true,
  rooms: true,
  emit: true,
  allowRecovery: true,
  trail: true,
  trailTyping: true,
  trailConfiguration: true,
  log: true,
}
const OPTION_NAMES = [...Object.keys(OWN_OPTIONS), ...Object.keys(SETTINGS)]
const AUTH_OPTIONS: Readonly<Record<keyof JwtOptions, true>> = {
  secret: true,
  jwksUrl: true,
  issuer: true,
  audience: true,
  algorithms: true,
  userClaim: true,
}
const TRAIL_METHODS = ['check', 'makeDays', 'write', 'lastBoot', 'unfinished', 'close'] as const
const MEMBERSHIPS_METHODS = ['open', 'readUsers', 'readRooms', 'close'] as const

/** Of `trailConfiguration`, as JSON. Characters. */
const CONFIGURATION_LENGTH_MAX = 65_536

/** Around a token in a `presence:token` or a CONNECT: names, brackets, the other fields of `auth`. */
const TOKEN_FRAME_BYTES = 2_048
/** What Socket.IO takes in by default. */
const MESSAGE_BYTES = 1_000_000

/**
 * Fills in defaults and refuses what cannot work. JavaScript has no types, so the shapes are checked, too.
 * @throws RangeError or TypeError, one sentence that says what to change.
 */
export function resolveOptions(input: PresenceOptions, server: Server): Options {
  if (!isObject(input)) {
    throw new TypeError('attachPresence needs options: `attachPresence(io, { auth, memberships })`.')
  }
  refuseUnknown(input, OPTION_NAMES, 'attachPresence')
  const { memberships, auth, authenticate, rooms, emit, allowRecovery, log, ...rest } = input
  const { trail, trailTyping, trailConfiguration, ...given } = rest
  refuseWrongMemberships(memberships)
  refuseWrongCheck(auth, authenticate)
  if (auth) refuseWrongAuth(auth)
  if (rooms !== undefined && rooms !== false) refuseWrongRooms(rooms)
  refuseNonBoolean('emit', emit)
  refuseNonBoolean('allowRecovery', allowRecovery)
  refuseWrongTrail(trail)
  refuseNonBoolean('trailTyping', trailTyping)
  refuseWrongLog(log)
  if (optionsOf(server).connectionStateRecovery && allowRecovery !== true) {
    throw new TypeError(
      'The server has `connectionStateRecovery`: it lets sockets in before any check and appends an argument to ' +
        'each event, which breaks clients in other languages. Remove it, or set `allowRecovery: true`.',
    )
  }
  const settings = resolveSettings(given)
  if (given.tokenMaxLength !== undefined) refuseTokensThatCannotCome(settings, server)
  return {
    settings,
    memberships,
    identify: authenticate ? { authenticate } : { jwt: auth as JwtOptions },
    rooms: rooms === false ? undefined : { ...DEFAULT_ROOMS, ...rooms },
    emit: emit ?? true,
    trail,
    trailTyping: trailTyping ?? false,
    trailConfiguration: copyOfConfiguration(trailConfiguration),
    log: log ?? consoleLog,
  }
}

function refuseWrongMemberships(memberships: unknown): void {
  if (memberships === undefined || memberships === null) {
    throw new TypeError(
      'attachPresence needs `memberships`, which says who is in which group and conversation: ' +
        '`postgresMemberships({ sql })` of @vigie/server/postgres, or your own.',
    )
  }
  if (!hasMethods(memberships, MEMBERSHIPS_METHODS)) {
    throw new TypeError(
      `\`memberships\` is none: it needs the functions ${MEMBERSHIPS_METHODS.join(', ')}, ` +
        'as `postgresMemberships({ sql })` has them.',
    )
  }
}

/** A copy: what the host changes in it later is not in force here. */
function copyOfConfiguration(configuration: unknown): Options['trailConfiguration'] {
  if (configuration === undefined) return undefined
  if (!isObject(configuration)) throw new TypeError('`trailConfiguration` must be an object.')
  let text: string
  let copy: Options['trailConfiguration']
  try {
    text = JSON.stringify(configuration)
    copy = JSON.parse(text) as Options['trailConfiguration']
  } catch (error) {
    throw new TypeError('`trailConfiguration` cannot be written as JSON.', { cause: error })
  }
  if (text.length > CONFIGURATION_LENGTH_MAX) {
    throw new RangeError(
      `\`trailConfiguration\` is ${text.length} characters of JSON; it may be ${CONFIGURATION_LENGTH_MAX}.`,
    )
  }
  return copy
}

function refuseWrongTrail(trail: unknown): void {
  if (trail === undefined || hasMethods(trail, TRAIL_METHODS)) return
  throw new TypeError(
    'The audit trail is kept in PostgreSQL, also where memberships are not: give `trail` what ' +
      '`postgresTrail({ sql })` of @vigie/server/postgres returns, or leave it out.',
  )
}

function refuseWrongCheck(auth: unknown, authenticate: unknown): void {
  if ((auth === undefined) === (authenticate === undefined)) {
    throw new TypeError('attachPresence needs exactly one of `auth` and `authenticate`.')
  }
  if (authenticate !== undefined && typeof authenticate !== 'function') {
    throw new TypeError('`authenticate` is no function: it gets a socket and returns `{ userId }`.')
  }
  if (auth !== undefined && !isObject(auth)) {
    throw new TypeError('`auth` is no object: it says how tokens are checked, such as `{ secret }`.')
  }
}

function refuseWrongAuth(auth: JwtOptions): void {
  refuseUnknown(auth, Object.keys(AUTH_OPTIONS), '`auth`')
  if ((auth.secret === undefined) === (auth.jwksUrl === undefined)) {
    throw new TypeError('`auth` needs exactly one of `secret` and `jwksUrl`.')
  }
  if (auth.secret !== undefined) refuseWrongSecrets(auth.secret)
  if (auth.jwksUrl !== undefined && !URL.canParse(auth.jwksUrl)) {
    throw new TypeError('`auth.jwksUrl` is no address, such as https://issuer.example.org/jwks.json.')
  }
  for (const name of ['issuer', 'audience', 'userClaim'] as const) {
    const value: unknown = auth[name]
    // An empty one would be taken for none, and every token would pass.
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw new TypeError(`\`auth.${name}\` must be a text that is not empty.`)
    }
  }
  const algorithms: unknown = auth.algorithms
  if (algorithms === undefined) return
  if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every(isText)) {
    throw new TypeError("`auth.algorithms` must be a list of names, such as ['HS256'].")
  }
  if (algorithms.some((algorithm) => algorithm.toLowerCase() === 'none')) {
    throw new TypeError('`auth.algorithms` names "none", which accepts anybody.')
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function refuseWrongSecrets(secret: string | readonly string[]): void {
  if (secret === '') throw new TypeError('`auth.secret` is empty.')
  const secrets: unknown = isText(secret) ? [secret] : secret
  if (!Array.isArray(secrets) || !secrets.every(isText)) {
    throw new TypeError(`\`auth.secret\` must be a text, or a list of at most ${SECRETS_MAX} texts.`)
  }
  if (secrets.length === 0 || secrets.includes('')) {
    throw new TypeError('`auth.secret` has an empty secret, or none at all.')
  }
  if (secrets.length > SECRETS_MAX) {
    throw new RangeError(
      `\`auth.secret\` has ${secrets.length} secrets; there may be ${SECRETS_MAX}: the one in use, ` +
        'and the one that it is exchanged for.',
    )
  }
}

function refuseWrongRooms(rooms: Partial<RoomPrefixes>): void {
  if (!isObject(rooms)) {
    throw new TypeError(
      '`rooms` must be false, or an object of prefixes such as `{ conversation: "chat:" }`.',
    )
  }
  refuseUnknown(rooms, Object.keys(DEFAULT_ROOMS), '`rooms`')
  for (const [name, prefix] of Object.entries(rooms)) {
    if (!isText(prefix)) throw new TypeError(`\`rooms.${name}\` must be a text, such as "room:".`)
  }
}

/** Socket.IO closes a connection that sends more than `maxHttpBufferSize`: the client would never hear why. */
function refuseTokensThatCannotCome({ tokenMaxLength }: Settings, server: Server): void {
  const { maxHttpBufferSize = MESSAGE_BYTES } = optionsOf(server)
  if (tokenMaxLength + TOKEN_FRAME_BYTES <= maxHttpBufferSize) return
  throw new RangeError(
    `tokenMaxLength is ${tokenMaxLength}, and Socket.IO's \`maxHttpBufferSize\` ${maxHttpBufferSize}; ` +
      `it must be ${TOKEN_FRAME_BYTES} more, or longer tokens cut their connection off without a word.`,
  )
}
