import { defineCommand, runCommand, showUsage, type ArgsDef, type CommandDef } from 'citty'
import { CLIENT_AUDIT_SAMPLE_DEFAULT, CLIENT_AUDIT_SAMPLE_MAX } from '@vigie/server'
import { ApiError, createApiClient, type ApiClient } from '@vigie/server/http'
import { migrationSql } from '@vigie/server/postgres'
import { audit } from './audit-trail/command.js'
import { auditInWords } from './audit-words.js'
import {
  common,
  configFrom,
  idFrom,
  json,
  logOf,
  print,
  printAnswer,
  settledFrom,
  type ConfigArgs,
} from './command-parts.js'
import { describeConfig, requireDatabase, type Config } from './config.js'
import { migrateDatabase, migrationOptions, openDatabase } from './database.js'
import { asJson, examine, exitCodeOf, forPeople } from './doctor/doctor.js'
import { explainInWords } from './explain-words.js'
import { readApiKeys, readSecrets, withDatabaseUrl } from './secrets.js'
import { fileReason, isFileError } from './file-error.js'
import { giveHeapRoom } from './garbage.js'
import type { Scope } from './api/keys.js'
import { errorMessage, OperatorError } from './operator-error.js'
import { OPS_PATH } from './ops.js'
import { localUrl, startServer, type RunningServer } from './serve.js'
import { createTokens, parseTtl } from './token.js'
import { VERSION } from './version.js'

const serve = defineCommand({
  meta: { name: 'vigie serve', description: 'Start the server.' },
  args: common,
  run: async ({ args }) => {
    await serveUntilSignalled(configFrom(args))
  },
})

const token = defineCommand({
  meta: { name: 'vigie token', description: 'Print a token for a user, signed as this server accepts it.' },
  args: {
    userId: { type: 'positional', description: 'Whose token it is.', required: true },
    ttl: {
      type: 'string',
      description: 'How long it is valid, such as 90s, 15m, 30d.',
      default: '12h',
      valueHint: 'time',
    },
    ...common,
  },
  run: async ({ args }) => {
    const config = configFrom(args)
    const [secret] = await readSecrets(config)
    if (secret === undefined) {
      throw new OperatorError(
        'A token needs a secret to sign it with: set VIGIE_JWT_SECRET or VIGIE_JWT_SECRET_FILE, or use --demo.',
      )
    }
    const userId = idFrom('The user id', args.userId)
    print(createTokens(secret.value, config).sign(userId, parseTtl(args.ttl)))
  },
})

const migrate = defineCommand({
  meta: { name: 'vigie migrate', description: 'Bring the schema `vigie` of the database up to date.' },
  args: {
    print: { type: 'boolean', description: 'Print the SQL instead, for a migration tool of your own.' },
    ...common,
  },
  run: async ({ args }) => {
    const given = configFrom(args)
    if (args.print === true) {
      print(migrationSql(migrationOptions(given)))
      return
    }
    requireDatabase(given)
    const config = await withDatabaseUrl(given)
    const database = await openDatabase(config, logOf(config))
    try {
      await migrateDatabase(database.sql, config)
    } finally {
      await database.close()
    }
    print(`The schema is up to date in ${database.place}.`)
  },
})

const config = defineCommand({
  meta: { name: 'vigie config', description: 'Print every option in force, and where its value came from.' },
  args: common,
  run: ({ args }) => {
    print(describeConfig(configFrom(args)))
  },
})

/** What a command takes that asks a running server. */
function askingOverHttp(scope: Scope) {
  return {
    url: {
      type: 'string',
      description: 'Where the server is, unless it is the one of this configuration.',
      valueHint: 'address',
    },
    key: {
      type: 'string',
      description: `A key with the scope ${scope}. Others on this machine can see it; better set VIGIE_API_KEY.`,
      valueHint: 'key',
    },
    json,
    ...common,
  } as const satisfies ArgsDef
}

/** Asks a running server; `failed` says in an error what it did not do. */
type Ask = <Answer>(failed: string, question: (vigie: ApiClient) => Promise<Answer>) => Promise<Answer>

async function askerFrom(
  args: ConfigArgs & { readonly url?: string | undefined; readonly key?: string | undefined },
  scope: Scope,
): Promise<Ask> {
  const config = configFrom(args)
  const { url = localUrl(config.host, config.port) } = args
  if (!URL.canParse(url)) throw new OperatorError('--url must be an address such as http://127.0.0.1:8080.')
  const key = args.key ?? (await readApiKeys(config)).find(({ scopes }) => scopes.includes(scope))?.key
  return async (failed, question) => {
    try {
      return await question(createApiClient({ url, key }))
    } catch (error) {
      if (error instanceof RangeError) throw new OperatorError(error.message, { cause: error })
      if (!(error instanceof ApiError)) throw error
      const next =
        error.status === 401 || error.status === 403
          ? ` Set VIGIE_API_KEY to a key of that server with the scope ${scope}.`
          : error.code === 'unreachable'
            ? ' Start vigie serve there, or name the right address with --url.'
            : ''
      throw new OperatorError(`${url} ${failed}: ${error.message}${next}`, { cause: error })
    }
  }
}

const explain = defineCommand({
  meta: {
    name: 'vigie explain',
    description: 'Say why a user is shown as online or offline. It asks a running server over HTTP.',
  },
  args: {
    userId: { type: 'positional', description: 'Whose presence it is.', required: true },
    viewer: {
      type: 'string',
      description: 'Say also whether this user sees it, and why.',
      valueHint: 'userId',
    },
    ...askingOverHttp('read'),
  },
  run: async ({ args }) => {
    const ask = await askerFrom(args, 'read')
    const { userId, viewer } = args
    for (const id of [userId, viewer ?? userId]) idFrom('A user id', id)
    const explanation = await ask('did not explain it', (vigie) => vigie.explain(userId, { viewer }))
    printAnswer(args, explanation, explainInWords)
  },
})

const auditClients = defineCommand({
  meta: {
    name: 'vigie audit-clients',
    description:
      'Ask some clients whether what they show is what they were told. It asks a running server over HTTP.',
  },
  args: {
    sample: {
      type: 'string',
      description: `How many clients are asked at most, 1 to ${CLIENT_AUDIT_SAMPLE_MAX}.`,
      default: String(CLIENT_AUDIT_SAMPLE_DEFAULT),
      valueHint: 'number',
    },
    ...askingOverHttp('act'),
  },
  run: async ({ args }) => {
    const sample = Number(args.sample)
    if (!/^\d+$/u.test(args.sample) || sample < 1 || sample > CLIENT_AUDIT_SAMPLE_MAX) {
      throw new OperatorError(`--sample must be a whole number from 1 to ${CLIENT_AUDIT_SAMPLE_MAX}.`)
    }
    const ask = await askerFrom(args, 'act')
    const audit = await ask('did not ask its clients', (vigie) => vigie.auditClients({ sample }))
    printAnswer(args, audit, auditInWords)
    if (audit.different.length > 0) process.exitCode = 1
  },
})

const doctor = defineCommand({
  meta: {
    name: 'vigie doctor',
    description: 'Look for what is wrong with the configuration, the database and the way from outside.',
  },
  args: {
    url: {
      type: 'string',
      description: 'Look from outside, too: the address that clients use.',
      valueHint: 'address',
    },
    json: { type: 'boolean', description: 'Print the findings as JSON.' },
    ...common,
  },
  run: async ({ args }) => {
    const report = await examine({ load: () => settledFrom(args), env: process.env, url: args.url })
    print(args.json === true ? asJson(report) : forPeople(report))
    process.exitCode = exitCodeOf(report)
  },
})

const COMMANDS: ReadonlyMap<string, CommandDef> = new Map(
  Object.entries({
    serve,
    token,
    migrate,
    config,
    explain,
    doctor,
    audit,
    'audit-clients': auditClients,
  } as unknown as Record<string, CommandDef>),
)

const vigie = defineCommand({
  meta: {
    name: 'vigie',
    version: VERSION,
    description: 'Presence for chat: who is online, and who is typing.',
  },
  subCommands: Object.fromEntries(COMMANDS),
})

/** Commands whose 1 says that they found something wrong. */
const FINDING = new Set(['doctor', 'audit verify', 'audit-clients'])

/**
 * Runs one command and sets the exit code: 1 with a sentence on standard error when it could not be done; 2 of a command
 * whose 1 says that it found something wrong.
 */
export async function runCommandLine(words: readonly string[]): Promise<void> {
  // A terminal that is closed, or `| head`, reads no more: that must not end a server before its database is ended.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  try {
    await run(words)
  } catch (error) {
    process.stderr.write(`vigie: ${wordsFor(error)}\n`)
    const [name = '', verb = ''] = words
    process.exitCode = FINDING.has(name) || FINDING.has(`${name} ${verb}`) ? 2 : 1
  }
}

/** One sentence for what an operator can put right; what is a fault of ours has its stack. */
function wordsFor(error: unknown): string {
  if (error instanceof OperatorError || !(error instanceof Error)) return errorMessage(error)
  if (isFileError(error) && 'path' in error) {
    return `${String(error.path)} cannot be used: ${fileReason(error)}.`
  }
  return error.stack ?? error.message
}

async function run([name = '--help', ...rest]: readonly string[]): Promise<void> {
  if (name === '--version' || name === '-v') {
    print(VERSION)
    return
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    await showUsage(vigie)
    return
  }
  const command = COMMANDS.get(name)
  if (command === undefined) {
    throw new OperatorError(`There is no command "${name}"; there are ${[...COMMANDS.keys()].join(', ')}.`)
  }
  await runOne(name, command, rest)
}

async function runOne(name: string, command: CommandDef, words: readonly string[]): Promise<void> {
  const { subCommands } = command
  if (subCommands !== undefined) {
    // Ours are no functions and no promises, which citty would take, too.
    const verbs = new Map(Object.entries(subCommands as Record<string, CommandDef>))
    const [verb = '--help', ...rest] = words
    const found = verbs.get(verb)
    if (found !== undefined) {
      await runOne(`${name} ${verb}`, found, rest)
      return
    }
    if (verb !== '--help' && verb !== '-h' && verb !== 'help') {
      throw new OperatorError(
        `vigie ${name} has no command "${verb}"; it has ${[...verbs.keys()].join(', ')}.`,
      )
    }
  }
  if (subCommands !== undefined || words.includes('--help') || words.includes('-h')) {
    await showUsage(command)
    return
  }
  refuseUnknownWords(name, command, words)
  await runCommand(command, { rawArgs: [...words] })
}

/** citty lets unknown flags and further words pass; a misspelt `--dmeo` would then start another server than meant. */
function refuseUnknownWords(name: string, { args = {} }: CommandDef, words: readonly string[]): void {
  const definitions = new Map(Object.entries(args as ArgsDef))
  let positionalsLeft = [...definitions.values()].filter(({ type }) => type === 'positional').length
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (!word.startsWith('-')) {
      if (--positionalsLeft < 0)
        throw new OperatorError(`vigie ${name} does not know what to do with "${word}".`)
      continue
    }
    const [flag = '', value] = word.split('=', 2)
    const definition = definitions.get(flag.replace(/^--/u, ''))
    if (definition === undefined || definition.type === 'positional') {
      throw new OperatorError(`vigie ${name} has no option ${flag}; vigie ${name} --help lists those it has.`)
    }
    if (definition.type === 'string' && value === undefined && words[++index] === undefined) {
      throw new OperatorError(`${flag} needs a value.`)
    }
  }
  if (positionalsLeft > 0)
    throw new OperatorError(`vigie ${name} needs a user id, such as vigie ${name} alice.`)
}

/** SIGHUP: the terminal was closed. SIGQUIT: Ctrl+\, and what some images stop with. Each would orphan PostgreSQL. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** Of one Ctrl+C, or one closed terminal, a server hears twice: from the terminal, and from npm or the shell. */
const ONE_WISH_MS = 1_000
/** Once everything is ended the process has this long to end by itself. */
const LAST_WORDS_MS = 1_000

/** Resolves when a signal has ended the server. */
async function serveUntilSignalled(settled: Config): Promise<void> {
  giveHeapRoom()
  const stop = new AbortController()
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => {
      resolve()
    })
  })
  let askedAt = 0
  const onSignal = () => {
    if (!stop.signal.aborted) {
      askedAt = performance.now()
      stop.abort()
      return
    }
    // A second signal asks for the end at once. The embedded database survives that: the next start recovers it.
    if (performance.now() - askedAt > ONE_WISH_MS) process.exit(130)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    const server = await startServer(settled, logOf(settled), stop.signal)
    print(welcome(server, settled))
    await stopped
    await server.close()
    // A database that hangs never answers the driver's goodbye, and that connection would keep us here for ever.
    setTimeout(() => process.exit(), LAST_WORDS_MS).unref()
  } catch (error) {
    if (!stop.signal.aborted || error instanceof OperatorError) throw error
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

function welcome({ url, data }: RunningServer, { demo, demoBots }: Config): string {
  const bots = demoBots === 0 ? '' : ` Meanwhile ${demoBots} simulated colleagues come, go and type.`
  return [
    '',
    `  Vigie ${VERSION} is on the lookout at ${url}`,
    ...(demo
      ? [
          `  Open it in two windows and be two people.${bots}`,
          `  The operators' page is at ${url}${OPS_PATH}`,
        ]
      : []),
    '',
    `  Data   ${data}`,
    `  Health ${url}/readyz`,
    '  Stop   Ctrl+C',
    '',
  ].join('\n')
}
