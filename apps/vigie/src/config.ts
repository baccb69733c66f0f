import { isIPv4 } from 'node:net'
import { nearestName, resolveSettings, type Settings } from '@vigie/server'
import { errorMessage, OperatorError } from './operator-error.js'
import { OPTIONS, SERVER_OPTIONS, variableOf, type Option, type ServerValues } from './options.js'
import { webhookSecretsIn } from './webhooks.js'

/** What is in force. */
export interface Config extends ServerValues {
  /** The numbers of the engine. */
  readonly settings: Settings
  /** Where each value came from, by option name. */
  readonly sources: ReadonlyMap<string, Source>
  /** A sentence for each variable that looks like one of ours and is none. */
  readonly warnings: readonly string[]
}

/** Weakest first. */
export type Source = 'default' | 'file' | 'environment' | 'command line'

export interface ConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `vigie.config.json`, if there is one. */
  readonly file?: { readonly path: string; readonly text: string }
  /** `--demo`: the same as `VIGIE_DEMO=1`. */
  readonly demo?: boolean
}

interface Found {
  readonly value: unknown
  readonly source: Source
}

/**
 * Command line beats environment beats file beats default. An empty variable counts as not set: that is how
 * compose files write "nothing".
 * @throws OperatorError one sentence: the name, the value (never a secret), what it may be. Unknown keys of the file are
 * refused, too: a misspelt option would be silently without effect. Unknown `VIGIE_…` variables become warnings: others
 * write into the environment as well, Kubernetes for each Service that is called `vigie`.
 *
 * @example
 * const config = loadConfig({ env: process.env })
 * config.port // 8080
 */
export function loadConfig({ env, file, demo = false }: ConfigInput): Config {
  const written = readFile(file)
  const found = new Map<string, Found>()
  for (const [name, option] of OPTIONS) {
    found.set(name, find(name, option, { env, written, filePath: file?.path ?? '' }))
  }
  if (demo) found.set('demo', { value: true, source: 'command line' })
  const valueOf = (name: string): unknown => found.get(name)?.value
  const values = Object.fromEntries(Object.keys(SERVER_OPTIONS).map((name) => [name, valueOf(name)]))
  const config: Config = {
    // Each value has passed the kind of its own row, which is where ServerValues takes its type from.
    ...(values as unknown as ServerValues),
    settings: settingsOf(valueOf),
    sources: new Map([...found].map(([name, { source }]) => [name, source])),
    warnings: unknownVariables(env),
  }
  refuseImpossible(config)
  return config
}

/**
 * What only `vigie serve` needs to hold.
 * @throws OperatorError
 */
export function requireTokenCheck(config: Config): void {
  if (secretOptionOf(config) !== undefined || config.jwksUrl !== undefined || config.demo) return
  throw new OperatorError(
    'Nothing says how tokens are checked; set VIGIE_JWT_SECRET, VIGIE_JWT_SECRET_FILE or VIGIE_JWKS_URL, or try the demo with --demo.',
  )
}

/**
 * What only commands that open a database need to hold: an empty database is no answer to a `DATABASE_URL` that was
 * forgotten, because the server would be well and nobody would see anybody.
 * @throws OperatorError
 */
export function requireDatabase(config: Config): void {
  const { embeddedDatabase, demo, dataDir } = config
  if (databaseOptionOf(config) !== undefined || embeddedDatabase || demo) return
  throw new OperatorError(
    'No database is named; set DATABASE_URL (or DATABASE_URL_FILE) to the PostgreSQL that has your memberships, or VIGIE_EMBEDDED_DATABASE=1 ' +
      `to use one that Vigie brings, which starts empty and keeps its data in ${dataDir} (VIGIE_DATA_DIR).`,
  )
}

/** The value of each option, by the option's variable. Secrets are masked. */
export function shownOptions(config: Config): Readonly<Record<string, string>> {
  return Object.fromEntries(optionRows(config).map(([variable, value]) => [variable, value]))
}

/** Each option: variable, value, where it came from. Secrets are masked. */
function optionRows(config: Config): readonly (readonly [string, string, Source])[] {
  return [...OPTIONS].map(([name, option]) => [
    variableOf(name),
    printable(option, valueIn(config, name)),
    config.sources.get(name) ?? 'default',
  ])
}

/** One line for each option: name, value, where it came from. Secrets are masked. */
export function describeConfig(config: Config): string {
  const rows = optionRows(config)
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Every text of it that nobody may read in a log: secrets, keys, the passwords in addresses. */
export function secretsOf(config: Config): readonly string[] {
  return [...OPTIONS].flatMap(([name, { secret }]) => {
    const value = valueIn(config, name)
    if (secret === undefined || value === undefined) return []
    const texts = (typeof value === 'object' ? [...value] : [value]).map(String)
    if (secret === 'url') return texts.flatMap(passwordsIn)
    if (name === 'webhooks') return texts.flatMap(webhookSecretsIn)
    // One that says what it is for (`read:…`) is shown by its holders without that.
    return texts.flatMap((text) => [text, text.slice(text.indexOf(':') + 1)])
  })
}

/** Decoded, and as they are written there. */
function passwordsIn(address: string): string[] {
  const { password, searchParams } = new URL(address)
  const found = [password, decodeURIComponent(password), searchParams.get('password') ?? '']
  return found.filter((text) => text !== '')
}

/** Whether only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

type ConfigValue = ServerValues[keyof ServerValues]

function valueIn({ settings, sources: _, warnings: __, ...values }: Config, name: string): ConfigValue {
  return new Map<string, ConfigValue>([...Object.entries(settings), ...Object.entries(values)]).get(name)
}

function find(
  name: string,
  option: Option,
  from: { env: ConfigInput['env']; written: ReadonlyMap<string, unknown>; filePath: string },
): Found {
  const variable = variableOf(name)
  const text = from.env[variable]
  if (text !== undefined && text !== '') {
    return { value: accept(variable, option, text), source: 'environment' }
  }
  if (from.written.has(name)) {
    return { value: accept(`"${name}" in ${from.filePath}`, option, from.written.get(name)), source: 'file' }
  }
  return { value: option.default, source: 'default' }
}

function accept(label: string, option: Option, raw: unknown): unknown {
  const value = option.kind.parse(raw)
  if (value !== undefined) return value
  // A malformed address may hold its password anywhere, so it is hidden whole.
  const shown = option.secret === undefined ? JSON.stringify(raw) : 'a value that is not shown'
  throw new OperatorError(`${label} is ${shown}; it must be ${option.kind.expects}.`)
}

function readFile(file: ConfigInput['file']): ReadonlyMap<string, unknown> {
  if (file === undefined) return new Map()
  let content: unknown
  try {
    content = JSON.parse(file.text)
  } catch (error) {
    // V8 quotes the text around the mistake, and the text may hold a secret.
    const place = /line \d+ column \d+/u.exec(errorMessage(error))?.[0]
    throw new OperatorError(`${file.path} is not valid JSON${place === undefined ? '' : ` (${place})`}.`, {
      cause: error,
    })
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new OperatorError(`${file.path} must hold one JSON object, such as { "graceMs": 5000 }.`)
  }
  const written = new Map(Object.entries(content))
  for (const name of written.keys()) {
    if (!OPTIONS.has(name)) {
      throw new OperatorError(
        `"${name}" in ${file.path} is no option${suggestion(name, [...OPTIONS.keys()])}.`,
      )
    }
  }
  return written
}

/** What Kubernetes (and `docker --link`) writes for a service whose name begins with `vigie`. Nobody misspelt it. */
const SERVICE_VARIABLE =
  /^VIGIE(_[A-Z0-9]+)*?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9]+)*|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/u
/** `VIGIE_PORT` of a service is an address; of a person, it is a number, and means `PORT`. */
const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//u

function unknownVariables(env: ConfigInput['env']): readonly string[] {
  const known = [...OPTIONS.keys()].map(variableOf)
  const byRest = new Map(known.map((variable) => [withoutPrefix(variable), variable]))
  return Object.entries(env).flatMap(([variable, text = '']) => {
    if (!variable.startsWith(PREFIX) || known.includes(variable)) return []
    if (SERVICE_VARIABLE.test(variable) || (variable.endsWith('_PORT') && SERVICE_ADDRESS.test(text)))
      return []
    // Compared without what all of them share, which would make any two of them alike.
    const nearest = byRest.get(nearestName(withoutPrefix(variable), [...byRest.keys()]) ?? '')
    return [
      `${variable} is no variable of Vigie and has no effect${nearest === undefined ? '' : `; the nearest is ${nearest}`}.`,
    ]
  })
}

const PREFIX = 'VIGIE_'

function withoutPrefix(variable: string): string {
  return variable.startsWith(PREFIX) ? variable.slice(PREFIX.length) : variable
}

function suggestion(wrong: string, known: readonly string[]): string {
  const nearest = nearestName(wrong, known)
  return nearest === undefined ? '' : `; the nearest is ${nearest}`
}

function settingsOf(valueOf: (name: string) => unknown): Settings {
  const input = Object.fromEntries([...OPTIONS.keys()].filter(isSetting).map((name) => [name, valueOf(name)]))
  try {
    return resolveSettings(input)
  } catch (error) {
    throw new OperatorError(withVariables(errorMessage(error)), { cause: error })
  }
}

function isSetting(name: string): boolean {
  return !Object.hasOwn(SERVER_OPTIONS, name)
}

/** The library speaks of `graceMs`; whoever sets `VIGIE_GRACE_MS` should not have to guess. */
function withVariables(sentence: string): string {
  return sentence.replace(/\b[a-z]+[A-Za-z]+\b/gu, (word) =>
    OPTIONS.has(word) && isSetting(word) ? `${word} (${variableOf(word)})` : word,
  )
}

/** Combinations that cannot work. Each sentence says why. */
function refuseImpossible(config: Config): void {
  const { graceMs } = config.settings
  // A grace of 0 is a decision (no grace at all); one that is merely too short is a mistake.
  if (graceMs > 0 && graceMs < config.clientReconnectMs) {
    throw new OperatorError(
      `VIGIE_GRACE_MS is ${graceMs} and VIGIE_CLIENT_RECONNECT_MS ${config.clientReconnectMs}; ` +
        'a client that tries again only after the grace is seen leaving each time.',
    )
  }
  if (config.pingTimeoutMs > config.pingIntervalMs) {
    throw new OperatorError(
      `VIGIE_PING_TIMEOUT_MS is ${config.pingTimeoutMs} and VIGIE_PING_INTERVAL_MS ${config.pingIntervalMs}; ` +
        'dead connections would look alive for longer than they are ever asked: swap the two.',
    )
  }
  refuseTwoDatabases(config)
  refuseNoRows(config)
  refuseSecrets(config)
  for (const name of ['apiKey', 'apiKeys', 'trailKeeperUrl', 'webhooks'] as const)
    refuseTwoPlaces(config, name)
  refuseOneRole(config)
  refuseWebhooksWithoutTrail(config)
  refuseAlgorithms(config)
  refuseMessagesThatCutTokens(config)
  refuseSocketIoPath(config)
  if (config.demo) refuseDemo(config)
}

/** The option that names the operator's database. */
function databaseOptionOf(config: Config): 'databaseUrl' | 'databaseUrlFile' | undefined {
  return (['databaseUrl', 'databaseUrlFile'] as const).find((name) => config[name] !== undefined)
}

function refuseTwoDatabases(config: Config): void {
  refuseTwoPlaces(config, 'databaseUrl')
  const named = databaseOptionOf(config)
  if (named === undefined || !config.embeddedDatabase) return
  throw new OperatorError(
    `${variableOf(named)} is set and VIGIE_EMBEDDED_DATABASE is 1; memberships are in one database: leave one of them out.`,
  )
}

function refuseTwoPlaces(
  config: Config,
  name:
    'databaseUrl' | 'trailKeeperUrl' | 'jwtSecret' | 'jwtPreviousSecret' | 'apiKey' | 'apiKeys' | 'webhooks',
): void {
  if (config[name] === undefined || config[`${name}File`] === undefined) return
  throw new OperatorError(
    `${variableOf(name)} and ${variableOf(`${name}File`)} are both set; a secret has one place: leave one of them out.`,
  )
}

function refuseOneRole({ trailWriterRole, trailKeeperRole }: Config): void {
  if (trailWriterRole === undefined || trailWriterRole !== trailKeeperRole) return
  throw new OperatorError(
    `VIGIE_TRAIL_WRITER_ROLE and VIGIE_TRAIL_KEEPER_ROLE are both "${trailWriterRole}"; ` +
      'who writes the audit trail must not be able to erase from it: name two roles.',
  )
}

function refuseWebhooksWithoutTrail(config: Config): void {
  const named = (['webhooks', 'webhooksFile'] as const).find((name) => config[name] !== undefined)
  if (named === undefined || config.trail) return
  throw new OperatorError(
    `${variableOf(named)} is set and VIGIE_TRAIL is 0; webhooks are sent from the audit trail: leave one of them out.`,
  )
}

function refuseNoRows(config: Config): void {
  if (!config.groups && !config.conversations) {
    throw new OperatorError(
      'VIGIE_GROUPS and VIGIE_CONVERSATIONS are both 0; nobody would see anybody: keep one of them.',
    )
  }
}

/** The option that names the secret in use. */
function secretOptionOf(config: Config): 'jwtSecret' | 'jwtSecretFile' | undefined {
  return (['jwtSecret', 'jwtSecretFile'] as const).find((name) => config[name] !== undefined)
}

function refuseSecrets(config: Config): void {
  for (const name of ['jwtSecret', 'jwtPreviousSecret'] as const) refuseTwoPlaces(config, name)
  const current = secretOptionOf(config)
  const previous = (['jwtPreviousSecret', 'jwtPreviousSecretFile'] as const).find(
    (name) => config[name] !== undefined,
  )
  const secret = current ?? previous
  if (secret !== undefined && config.jwksUrl !== undefined) {
    throw new OperatorError(
      `${variableOf(secret)} and VIGIE_JWKS_URL are both set; tokens are checked with one of them.`,
    )
  }
  if (previous !== undefined && current === undefined) {
    throw new OperatorError(
      `${variableOf(previous)} is set without VIGIE_JWT_SECRET or VIGIE_JWT_SECRET_FILE; ` +
        'it is the second secret while one is exchanged: name the first.',
    )
  }
}

/** Around a token in a message: names, brackets, the other fields of `auth`. */
const TOKEN_FRAME_BYTES = 2_048

function refuseMessagesThatCutTokens({ maxMessageBytes, settings }: Config): void {
  const needed = settings.tokenMaxLength + TOKEN_FRAME_BYTES
  if (maxMessageBytes >= needed) return
  throw new OperatorError(
    `VIGIE_MAX_MESSAGE_BYTES is ${maxMessageBytes} and VIGIE_TOKEN_MAX_LENGTH ${settings.tokenMaxLength}; ` +
      `a long token would cut its connection off without a word: set the first to ${needed} or more.`,
  )
}

/** First segments of paths that the server answers itself. */
const OWN_PATHS: ReadonlySet<string | undefined> = new Set([
  'healthz',
  'livez',
  'metrics',
  'ops',
  'readyz',
  'v1',
])

function refuseSocketIoPath({ socketIoPath, demo }: Config): void {
  if (OWN_PATHS.has(socketIoPath.split('/')[1])) {
    throw new OperatorError(
      `VIGIE_SOCKET_IO_PATH is "${socketIoPath}", where the server answers itself; choose another path.`,
    )
  }
  if (demo && socketIoPath !== SERVER_OPTIONS.socketIoPath.default) {
    throw new OperatorError(
      `VIGIE_DEMO is 1 and VIGIE_SOCKET_IO_PATH is "${socketIoPath}"; the demo's page connects to ` +
        `${SERVER_OPTIONS.socketIoPath.default} only.`,
    )
  }
}

function refuseAlgorithms({ jwtAlgorithms = [], jwksUrl }: Config): void {
  const wantsSecret = jwksUrl === undefined
  const misfit = jwtAlgorithms.find((algorithm) => algorithm.startsWith('HS') !== wantsSecret)
  if (misfit === undefined) return
  throw new OperatorError(
    wantsSecret
      ? `VIGIE_JWT_ALGORITHMS has ${misfit}, which needs public keys: set VIGIE_JWKS_URL.`
      : `VIGIE_JWT_ALGORITHMS has ${misfit}, which needs a secret, but VIGIE_JWKS_URL holds public keys; ` +
          'whoever can read those could sign tokens.',
  )
}

function refuseDemo(config: Config): void {
  if (!isLoopback(config.host)) {
    throw new OperatorError(
      `VIGIE_DEMO is 1 and HOST is "${config.host}"; the demo lets anybody sign in as anybody, ` +
        'so it runs on a loopback address only, such as 127.0.0.1.',
    )
  }
  if (config.jwksUrl !== undefined) {
    throw new OperatorError(
      'VIGIE_DEMO is 1 and VIGIE_JWKS_URL is set; the demo signs its own tokens with a secret.',
    )
  }
  if (!config.groups || !config.conversations) {
    throw new OperatorError('VIGIE_DEMO is 1; the demo has groups and conversations, so neither may be 0.')
  }
  if (!hasDefaultTables(config)) {
    throw new OperatorError(
      'VIGIE_DEMO is 1 and tables of your own are named; the demo would write its people into them.',
    )
  }
}

/** Whether both tables have the names that Vigie creates them under. */
export function hasDefaultTables(config: Config): boolean {
  return TABLE_OPTIONS.every((name) => config[name] === SERVER_OPTIONS[name].default)
}

const TABLE_OPTIONS = [
  ...(['groupsTable', 'groupsGroupColumn', 'groupsUserColumn'] as const),
  ...(['conversationsTable', 'conversationsConversationColumn', 'conversationsUserColumn'] as const),
]

function printable(option: Option, value: ConfigValue): string {
  if (value === undefined) return '(not set)'
  if (option.secret === true) return '(secret)'
  if (option.secret === 'url') return withoutPassword(String(value))
  if (typeof value === 'boolean') return value ? '1' : '0'
  return typeof value === 'object' ? value.join(',') : String(value)
}

/** An address of a database as it may be shown. */
export function withoutPassword(address: string): string {
  const shown = new URL(address)
  if (shown.password !== '') shown.password = '***'
  // libpq also takes a password (or a path to keys) as a parameter; nobody needs the parameters to recognise it.
  shown.search = ''
  return shown.href
}
