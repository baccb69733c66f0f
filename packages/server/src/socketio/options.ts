import type { Server, Socket } from 'socket.io'
import { resolveSettings, silentLog, type Log, type Memberships, type Settings } from '../core/index.js'

/** How tokens are checked. Exactly one of `secret` and `jwksUrl`. */
export interface JwtOptions {
  /** The shared secret, or a public key in PEM. */
  readonly secret?: string
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
  /** When the right to be connected ends, in milliseconds since 1970; absent: never. */
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
   * The rooms of Socket.IO that are the rows, as prefixes: `io.to('conv:7')` reaches whoever is a member at that moment.
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
  /** Where sentences for operators go. @default nowhere */
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
  readonly log: Log
}

const DEFAULT_ROOMS: RoomPrefixes = { user: 'user:', group: 'group:', conversation: 'conv:' }

/**
 * Fills in defaults and refuses what cannot work.
 * @throws RangeError or TypeError, one sentence that says what to change.
 */
export function resolveOptions(input: PresenceOptions, server: Server): Options {
  const { memberships, auth, authenticate, rooms, emit, allowRecovery, log, ...settings } = input
  if ((auth === undefined) === (authenticate === undefined)) {
    throw new TypeError('attachPresence needs exactly one of `auth` and `authenticate`.')
  }
  if (auth && (auth.secret === undefined) === (auth.jwksUrl === undefined)) {
    throw new TypeError('`auth` needs exactly one of `secret` and `jwksUrl`.')
  }
  if (auth?.secret === '') throw new TypeError('`auth.secret` is empty.')
  if (auth?.algorithms?.some((algorithm) => algorithm.toLowerCase() === 'none')) {
    throw new TypeError('`auth.algorithms` names "none", which accepts anybody.')
  }
  if (server._opts.connectionStateRecovery && allowRecovery !== true) {
    throw new TypeError(
      'The server has `connectionStateRecovery`: it lets sockets in before any check and appends an argument to ' +
        'each event, which breaks clients in other languages. Remove it, or set `allowRecovery: true`.',
    )
  }
  return {
    settings: resolveSettings(settings),
    memberships,
    identify: authenticate ? { authenticate } : { jwt: auth as JwtOptions },
    rooms: rooms === false ? undefined : resolveRooms(rooms),
    emit: emit ?? true,
    log: log ?? silentLog,
  }
}

function resolveRooms(rooms: Partial<RoomPrefixes> = {}): RoomPrefixes {
  for (const [kind, prefix] of Object.entries(rooms) as [string, unknown][]) {
    if (!Object.hasOwn(DEFAULT_ROOMS, kind)) {
      throw new TypeError(
        `\`rooms\` has a key \`${kind}\`; the kinds of rooms are \`user\`, \`group\` and \`conversation\`.`,
      )
    }
    if (typeof prefix !== 'string') throw new TypeError(`\`rooms.${kind}\` is not a prefix: give a string.`)
  }
  return { ...DEFAULT_ROOMS, ...rooms }
}
