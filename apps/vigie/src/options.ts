import { apiKey } from './api/keys.js'
import { SETTINGS, type SettingName } from '@vigie/server'
import {
  flag,
  list,
  oneOf,
  origin,
  path,
  share,
  text,
  url,
  whole,
  type Kind,
  type Parsed,
} from './option-kinds.js'

/**
 * One option of the server. Its key is its name in `vigie.config.json`; {@link variableOf} makes the name of the
 * environment variable from it.
 */
export interface Option<T = unknown> {
  readonly kind: Kind<T>
  /** `undefined`: not set unless somebody sets it. */
  readonly default: T | undefined
  /** One sentence for `docs/configuration.md`. */
  readonly meaning: string
  /** `true`: never printed. `url`: printed without its password. */
  readonly secret?: true | 'url'
}

/** The other fields of a message are small; `config.ts` adds the longest token that is accepted. */
const MESSAGE_MIN_BYTES = 10_240
/** A colleague who cannot come is no colleague. `demo/world.ts` has this many. */
export const BOTS_MAX = 20

const ALGORITHMS = [
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
] as const

/** Every option that is not a number of the engine ({@link SETTINGS}). */
export const SERVER_OPTIONS = {
  host: option(text, '127.0.0.1', 'The address to listen on; 0.0.0.0 for all.'),
  port: option(whole(0, 65_535), 8_080, 'The port to listen on; 0 takes a free one and prints it.'),
  databaseUrl: {
    ...option(
      url('postgres:', 'postgresql:'),
      undefined,
      'PostgreSQL 14 or later, with your memberships. The demo brings its own unless this is set.',
    ),
    secret: 'url',
  },
  databaseUrlFile: option(text, undefined, 'A file with that address as its only line, read at the start.'),
  embeddedDatabase: option(
    flag,
    false,
    'Whether Vigie uses a PostgreSQL that it brings, which starts empty, instead of `databaseUrl`. In the demo it does unless `databaseUrl` is set.',
  ),
  dataDir: option(
    text,
    '.vigie',
    'Where the embedded PostgreSQL and the demo keep their data; one server at a time.',
  ),
  migrate: option(flag, true, 'Whether `vigie serve` brings the schema up to date when it starts.'),
  trailWriterRole: option(
    text,
    undefined,
    'The role of PostgreSQL that `vigie serve` connects as: `vigie migrate` lets it add to the audit trail, and neither change nor delete. It may not own the trail.',
  ),
  trailKeeperRole: option(
    text,
    undefined,
    'Another role, which `vigie migrate` lets drop old days of the audit trail, and erase people from it.',
  ),
  trailKeeperUrl: {
    ...option(
      url('postgres:', 'postgresql:'),
      undefined,
      'The address of the same database with that role, for `vigie audit`; `databaseUrl` unless set.',
    ),
    secret: 'url',
  },
  trailKeeperUrlFile: option(text, undefined, 'A file with that address as its only line.'),
  jwtSecret: {
    ...option(text, undefined, 'The secret that tokens are signed with (HS256 and its larger kin).'),
    secret: true,
  },
  jwtSecretFile: option(text, undefined, 'A file with that secret as its only line, read at the start.'),
  jwtPreviousSecret: {
    ...option(
      text,
      undefined,
      'A second secret while one is exchanged: tokens signed with it are accepted, too.',
    ),
    secret: true,
  },
  jwtPreviousSecretFile: option(text, undefined, 'A file with that second secret as its only line.'),
  jwksUrl: option(
    url('https:', 'http:'),
    undefined,
    'Where the public keys are that tokens are checked with, instead of a secret.',
  ),
  jwtIssuer: option(text, undefined, 'The `iss` that a token must have.'),
  jwtAudience: option(text, undefined, 'The `aud` that a token must have.'),
  jwtAlgorithms: option(
    list(oneOf(...ALGORITHMS), `one of ${ALGORITHMS.join(', ')}`),
    undefined,
    'The algorithms that a token may be signed with.',
  ),
  jwtUserClaim: option(text, 'sub', 'The claim of a token that names the user.'),
  apiKey: {
    ...option(apiKey, undefined, 'A key of the HTTP API, which is closed without one; see `apiKeys`.'),
    secret: true,
  },
  apiKeyFile: option(text, undefined, 'A file with that key as its only line, read at the start.'),
  apiKeys: {
    ...option(
      list(apiKey, apiKey.expects),
      undefined,
      'Further keys of the HTTP API. `read:…` may ask, `act:…` may change something, a key without a scope may do both.',
    ),
    secret: true,
  },
  apiKeysFile: option(
    text,
    undefined,
    'A file with those keys, separated by commas, as its only line, read at the start.',
  ),
  apiRatePerSecond: option(
    whole(1, 100_000),
    100,
    'How many requests a second each key of the HTTP API may make in the long run.',
  ),
  apiBurst: option(
    whole(1, 100_000),
    200,
    'How many requests at once each key may make after it has made none for a while.',
  ),
  corsOrigins: option(
    list(origin, origin.expects),
    undefined,
    'Other origins whose pages may connect, over WebSockets, too; * for all. None unless set.',
  ),
  socketIoPath: option(path, '/socket.io/', 'Where Socket.IO answers; the `path` of your clients.'),
  metricsAccess: option(
    oneOf('loopback', 'key', 'off'),
    'loopback',
    'Who may read `/metrics`: `loopback`: programs on this machine, and others with a key of the HTTP API; `key`: only those with a key; `off`: nobody.',
  ),
  logLevel: option(
    oneOf('debug', 'info', 'warn', 'error'),
    'info',
    'The least important log line that is written.',
  ),
  logUserIds: option(
    oneOf('hashed', 'plain'),
    'hashed',
    'How the log names users: by a hash that is another after each start, or by their ids.',
  ),
  pingIntervalMs: option(
    whole(50, 300_000),
    15_000,
    'How often each connection is asked for a sign of life.',
  ),
  pingTimeoutMs: option(
    whole(50, 300_000),
    5_000,
    'How long the answer to that may take before the connection is lost.',
  ),
  clientReconnectMs: option(
    whole(0, 60_000),
    1_000,
    'After how long your clients connect again (`reconnectionDelay`); `graceMs` may not be shorter.',
  ),
  maxMessageBytes: option(
    whole(MESSAGE_MIN_BYTES, 10_485_760),
    16_384,
    'The largest message that a client may send.',
  ),
  acceptBacklog: option(
    whole(1, 65_535),
    4_096,
    'How many connections may wait in the system to be accepted.',
  ),
  feedCheckMs: option(
    whole(0, 86_400_000),
    1_000,
    'How often the membership tables are looked at: swapped ones, partitions, triggers that were off, row level security; 0: only at the start.',
  ),
  trail: option(
    flag,
    true,
    'Whether what happens to whose presence is recorded in the audit trail (table `vigie.trail`); 0: nothing is.',
  ),
  trailTyping: option(flag, false, 'Whether the audit trail also says who typed where and when.'),
  nodeName: option(
    text,
    undefined,
    'The name of this server in the audit trail: its starts follow one another. Servers that run at the same time need different ones. The name of the machine unless set.',
  ),
  groups: option(flag, true, 'Whether there are groups; 0: conversations only, and no table of groups.'),
  conversations: option(
    flag,
    true,
    'Whether there are conversations; 0: groups only, and no table of conversations.',
  ),
  groupsTable: option(text, 'group_users', 'The table of who is in which group; `schema.table` works.'),
  groupsGroupColumn: option(text, 'group_id', 'Its column that names the group.'),
  groupsUserColumn: option(text, 'user_id', 'Its column that names the user.'),
  conversationsTable: option(text, 'conversation_users', 'The table of who is in which conversation.'),
  conversationsConversationColumn: option(text, 'conversation_id', 'Its column that names the conversation.'),
  conversationsUserColumn: option(text, 'user_id', 'Its column that names the user.'),
  demo: option(flag, false, 'Fills a demo world and lets anybody on this machine sign in to it.'),
  demoBots: option(
    whole(0, BOTS_MAX),
    BOTS_MAX,
    'How many simulated colleagues the demo has, in each of its two languages.',
  ),
} as const satisfies Record<string, Option>

type ServerOptions = typeof SERVER_OPTIONS
type Unset<O> = O extends { readonly default: infer D } ? (undefined extends D ? undefined : never) : never
/** The value of each server option. */
export type ServerValues = {
  readonly [Name in keyof ServerOptions]: Parsed<ServerOptions[Name]['kind']> | Unset<ServerOptions[Name]>
}

/** Every option there is, by its name in the file: the server's, then one for each row of {@link SETTINGS}. */
export const OPTIONS: ReadonlyMap<string, Option> = new Map<string, Option>([
  ...Object.entries(SERVER_OPTIONS),
  ...(Object.keys(SETTINGS) as SettingName[]).map((name): [string, Option] => [name, settingOption(name)]),
])

/** Names that other software reads too, so they have no prefix. */
const COMMON_VARIABLES: ReadonlySet<string> = new Set(['host', 'port', 'databaseUrl', 'databaseUrlFile'])

/**
 * The environment variable of an option.
 * @example variableOf('graceMs') // 'VIGIE_GRACE_MS'
 */
export function variableOf(name: string): string {
  const snake = name.replace(/[A-Z]/gu, (letter) => `_${letter}`).toUpperCase()
  return COMMON_VARIABLES.has(name) ? snake : `VIGIE_${snake}`
}

function option<T>(
  kind: Kind<T>,
  defaultValue: T,
  meaning: string,
): { kind: Kind<T>; default: T; meaning: string }
function option<T>(
  kind: Kind<T>,
  defaultValue: undefined,
  meaning: string,
): { kind: Kind<T>; default: undefined; meaning: string }
function option<T>(kind: Kind<T>, defaultValue: T | undefined, meaning: string): Option<T> {
  return { kind, default: defaultValue, meaning }
}

function settingOption(name: SettingName): Option<number> {
  const { min, max, unit, meaning, default: defaultValue } = SETTINGS[name]
  return { kind: unit === 'share' ? share(min, max) : whole(min, max), default: defaultValue, meaning }
}
