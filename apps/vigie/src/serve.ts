import { createServer, type Server as HttpServer } from 'node:http'
import { hostname } from 'node:os'
import { getRequestListener } from '@hono/node-server'
import type { Server } from 'socket.io'
import {
  attachPresence,
  withWebhooks,
  type Log,
  type PresenceOptions,
  type PresenceServer,
} from '@vigie/server'
import type { TrailQuestions, Webhooks } from '@vigie/server/postgres'
import { createApi, type Api } from './api/api.js'
import { API_KEY_MIN_LENGTH, createKeyring, type ApiKey, type Keyring } from './api/keys.js'
import { requireDatabase, requireTokenCheck, secretsOf, type Config } from './config.js'
import {
  databasePlace,
  migrateDatabase,
  openAudit,
  openDatabase,
  openMemberships,
  openWebhooks,
  trailOptions,
  type Database,
} from './database.js'
import { startBots } from './demo/bots.js'
import { writeHistory } from './demo/history.js'
import { openJournal } from './demo/journal.js'
import { carryMessages, createMessages } from './demo/messages.js'
import { readDemoPages } from './demo/demo-pages.js'
import { demoRoutes } from './demo/routes.js'
import { writeWorld } from './demo/rows.js'
import { createWorld } from './demo/world.js'
import { createDrain } from './drain.js'
import { createHealth, type HealthSources } from './health.js'
import { createHttp, type HttpOptions } from './http.js'
import type { ServerLog } from './log.js'
import { createMetricsRoute } from './metrics.js'
import { errorCode, errorMessage, OperatorError } from './operator-error.js'
import { opsRoutes } from './ops.js'
import { processMetrics } from './process-metrics.js'
import {
  isWeak,
  readApiKeys,
  readSecrets,
  readWebhooks,
  SECRET_MIN_BYTES,
  withDatabaseUrl,
  type Secret,
} from './secrets.js'
import { createIo } from './socket-io.js'
import { createTokens, DOCTOR_USER } from './token.js'
import { VERSION } from './version.js'
import { webhookSecretsIn } from './webhooks.js'

export interface RunningServer {
  /** As a browser on this machine opens it. */
  readonly url: string
  /** Where the data is, for people. */
  readonly data: string
  /** Drains and ends everything that was started, last first. May be called twice; both wait for the end. */
  close(): Promise<void>
}

/** A token that ends is a lost line: often enough it should be a scene, not an accident. */
const BOT_TOKEN_TTL_MS = 12 * 3_600_000

/**
 * Starts the whole server. If a step fails, or `signal` is raised between two, what was started is ended again.
 * @throws OperatorError for what the operator can put right.
 */
export async function startServer(
  config: Config,
  log: ServerLog,
  signal?: AbortSignal,
): Promise<RunningServer> {
  const ending = createEnding(log)
  try {
    return await start(config, log, { ending, checkpoint: () => signal?.throwIfAborted() })
  } catch (error) {
    await ending.run()
    throw error
  }
}

interface Course {
  readonly ending: Ending
  readonly checkpoint: () => void
}

async function start(given: Config, log: ServerLog, { ending, checkpoint }: Course): Promise<RunningServer> {
  requireTokenCheck(given)
  requireDatabase(given)
  const config = await withDatabaseUrl(given)
  const secrets = await readSecrets(config)
  // Those that were in files, too.
  for (const secret of [...secretsOf(config), ...secrets.map(({ value }) => value)]) log.conceal(secret)
  warnOfWeakSecrets(secrets, log)
  const keys = await readApiKeys(config)
  for (const { key } of keys) log.conceal(key)
  warnOfWeakKeys(keys, log)
  const entries = await readWebhooks(config)
  for (const secret of entries.flatMap(webhookSecretsIn)) log.conceal(secret)

  const started: { database?: Database; io?: Server } = {}
  ending.add('database', () => started.database?.close())
  const door = openDoor()
  ending.add(
    'connections',
    createDrain(door.server, () => started.io),
  )
  // Before all that takes time: a port that is taken is told at once, and those who watch can ask how far it is.
  const port = await listen(door.server, config)
  const url = localUrl(config.host, port)
  log.info('Vigie starts.', { version: VERSION, url, database: databasePlace(config) })
  checkpoint()

  const database = await openDatabase(config, log)
  started.database = database
  checkpoint()
  if (config.migrate) await migrateDatabase(database.sql, config)
  const [secret] = secrets
  const demo =
    config.demo && secret !== undefined
      ? await openDemo({ config, database, secret: secret.value, log })
      : undefined
  checkpoint()

  const sockets = createIo(config, log)
  const presence = attachOrSentence(sockets, {
    ...config.settings,
    memberships: openMemberships(database, config, log),
    ...trailOptions(database, config, log),
    auth: authOptions(config, secrets),
    log,
  })
  if (demo !== undefined) {
    ending.add('messages of the demo', () => demo.journal.flushed())
    carryMessages(sockets, {
      messages: demo.messages,
      stopTyping: (userId, conversationId) => presence.stopTyping(userId, conversationId),
      log,
    })
  }
  ending.add('presence', () => presence.close())
  const audit = openAudit(database, log)
  ending.add('questions to the audit trail', () => audit.close())
  await readyOrSentence(presence.ready)
  const webhooks = await openWebhooks(database, { config, entries, log })
  ending.add('webhooks', () => webhooks?.close())
  checkpoint()
  const readMetrics = () => withWebhooks(presence.metrics(), webhooks?.counts())

  sockets.attach(door.server)
  started.io = sockets
  const keyring = createKeyring(keys)
  const metrics = createMetricsRoute({
    presence: { metrics: readMetrics },
    access: config.metricsAccess,
    isKey: (key) => keyring.find(key)?.scopes.has('read') === true,
  })
  const tokens = secret === undefined ? undefined : createTokens(secret.value, config)
  door.open(
    {
      isDatabaseReachable: database.isReachable,
      presence: presence.health,
      settings: config.settings,
    },
    {
      metrics,
      api: openApi(config, { presence, audit, webhooks, metrics: readMetrics, keyring, log }),
      routes: demo?.routes,
      ops: await opsRoutes(log),
      isDoctor: (token) => tokens?.userOf(token) === DOCTOR_USER,
    },
  )
  if (demo !== undefined && config.demoBots > 0) {
    const bots = startBots({
      url,
      world: demo.world,
      count: config.demoBots,
      sign: (userId) => demo.tokens.sign(userId, BOT_TOKEN_TTL_MS),
      typingRepeatMs: config.settings.typingRepeatMs,
      log,
    })
    ending.add('bots', () => {
      bots.close()
    })
  }
  return {
    url,
    data: database.place,
    close() {
      door.close()
      return ending.run()
    },
  }
}

const COME_AGAIN = 'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n'

type Routes = Pick<HttpOptions, 'api' | 'metrics' | 'routes' | 'ops' | 'isDoctor'>

interface ApiInput {
  readonly presence: PresenceServer
  readonly audit: TrailQuestions
  readonly webhooks: Webhooks | undefined
  readonly metrics: PresenceServer['metrics']
  readonly keyring: Keyring
  readonly log: Log
}

function openApi(config: Config, { presence, audit, webhooks, metrics, keyring, log }: ApiInput): Api {
  return createApi({
    presence,
    audit,
    ...(webhooks && { webhooks }),
    metrics: () => [...metrics(), ...processMetrics()],
    keyring,
    isOpenToRead: config.demo,
    rate: { perSecond: config.apiRatePerSecond, burst: config.apiBurst },
    node: hostname(),
    version: VERSION,
    log,
  })
}

/** The HTTP server, from the moment when it listens: first with health alone, then with all that it has. */
function openDoor() {
  const health = createHealth()
  const listener = (answers: Routes = {}) =>
    getRequestListener(createHttp({ health, version: VERSION, ...answers }).fetch)
  let answer = listener()
  const server = createServer((request, response) => void answer(request, response))
  // Once Socket.IO is there, it answers these.
  server.on('upgrade', (_request, line) => {
    if (health.state() === 'starting') line.end(COME_AGAIN)
  })
  return {
    server,
    open(sources: HealthSources, answers: Routes) {
      health.serve(sources)
      answer = listener(answers)
    },
    /**
     * A client that comes from now on is refused, and tries again. The server's end is not awaited here: it comes only
     * with the end of the last connection.
     */
    close() {
      health.drain()
      server.close()
    },
  }
}

/** What the library refuses is an option of the operator's: it says so in one sentence. */
function attachOrSentence(io: Server, options: PresenceOptions): PresenceServer {
  try {
    return attachPresence(io, options)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    throw new OperatorError(errorMessage(error), { cause: error })
  }
}

interface DemoInput {
  readonly config: Config
  readonly database: Database
  readonly secret: string
  readonly log: Log
}

async function openDemo({ config, database, secret, log }: DemoInput) {
  const pages = await readDemoPages()
  const world = createWorld()
  const tokens = createTokens(secret, config)
  try {
    await writeWorld(database.sql, world)
  } catch (error) {
    throw new OperatorError(`The demo's people could not be written: ${errorMessage(error)}.`, {
      cause: error,
    })
  }
  const journal = await openJournal(config.dataDir, log)
  const messages = createMessages(Date.now, journal)
  writeHistory(messages, world)
  return { world, messages, journal, tokens, routes: demoRoutes({ world, tokens, messages, pages }) }
}

async function readyOrSentence(ready: Promise<void>): Promise<void> {
  try {
    await ready
  } catch (error) {
    throw new OperatorError(errorMessage(error), { cause: error })
  }
}

function authOptions(config: Config, secrets: readonly Secret[]) {
  return {
    ...(secrets.length > 0 && { secret: secrets.map(({ value }) => value) }),
    ...(config.jwksUrl !== undefined && { jwksUrl: config.jwksUrl }),
    ...(config.jwtIssuer !== undefined && { issuer: config.jwtIssuer }),
    ...(config.jwtAudience !== undefined && { audience: config.jwtAudience }),
    ...(config.jwtAlgorithms !== undefined && { algorithms: [...config.jwtAlgorithms] }),
    userClaim: config.jwtUserClaim,
  }
}

function warnOfWeakSecrets(secrets: readonly Secret[], log: Log): void {
  for (const { value, source } of secrets) {
    if (!isWeak(value)) continue
    log.warn(`${source} is shorter than ${SECRET_MIN_BYTES} bytes: it can be guessed from one token`)
  }
}

function warnOfWeakKeys(keys: readonly ApiKey[], log: Log): void {
  const weak = keys.filter(({ key }) => key.length < API_KEY_MIN_LENGTH).length
  if (weak === 0) return
  log.warn(
    `Keys of the HTTP API are shorter than ${API_KEY_MIN_LENGTH} characters and can be guessed; make them with: openssl rand -hex 32`,
    { weak, of: keys.length },
  )
}

const LISTEN_REASONS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'something listens there already; stop it, or choose another PORT'],
  ['EACCES', 'this user may not use that port; choose one above 1023'],
  ['EADDRNOTAVAIL', 'this machine does not have that address; correct HOST'],
  ['ENOTFOUND', 'there is no such address; correct HOST'],
])

/** The real port: `PORT=0` takes a free one. */
async function listen(server: HttpServer, { host, port, acceptBacklog }: Config): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const reason = LISTEN_REASONS.get(errorCode(error)) ?? errorMessage(error)
      reject(new OperatorError(`Vigie cannot listen on ${host}, port ${port}: ${reason}.`, { cause: error }))
    })
    server.listen({ host, port, backlog: acceptBacklog }, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

/** Where this machine finds the server. 0.0.0.0 is a place to listen, not one to go to. */
export function localUrl(host: string, port: number): string {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

interface Ending {
  add(name: string, work: () => unknown): void
  run(): Promise<void>
}

/** What has to be ended, last started first. One that fails is logged, and the others still end. */
function createEnding(log: Log): Ending {
  const steps: { name: string; work: () => unknown }[] = []
  let isDone: Promise<void> | undefined
  async function runAll(): Promise<void> {
    for (const { name, work } of steps.reverse()) {
      try {
        await work()
      } catch (error) {
        log.error('a part did not end well', { part: name, error })
      }
    }
  }
  return {
    add: (name, work) => steps.push({ name, work }),
    run: () => (isDone ??= runAll()),
  }
}
