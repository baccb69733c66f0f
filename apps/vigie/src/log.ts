import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import type { Log } from '@vigie/server'
import { pino } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogOutput {
  write(line: string): unknown
  readonly isTTY?: boolean
}

export interface LogOptions {
  readonly level: LogLevel
  /** How user ids are written; see {@link createLog}. @default 'hashed' */
  readonly userIds?: 'hashed' | 'plain'
  /** @default standard error: standard output belongs to what a command was asked for */
  readonly output?: LogOutput
}

/** A {@link Log} that keeps secrets to itself. */
export interface ServerLog extends Log {
  /** From now on `secret` is left out wherever it stands in a line. One of fewer than {@link SECRET_MIN_LENGTH} characters is not. */
  conceal(secret: string): void
}

/** A shorter text is part of ordinary words, which would be left out with it. */
export const SECRET_MIN_LENGTH = 6

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]'

/** Fields that hold a secret by their name, at the top of a line and one step below. */
const SECRET_FIELDS = [
  ...['token', 'password', 'secret', 'apiKey', 'key', 'authorization', 'cookie'],
  ...['jwtSecret', 'databaseUrl', 'refreshToken', 'accessToken'],
]

/** Secrets by their form, in any text: tokens, passwords in addresses, what follows `Bearer`, parameters of a query. */
const SECRET_FORMS: readonly (readonly [form: RegExp, shown: string])[] = [
  [/eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/gu, REDACTED],
  [/(:\/\/[^\s:@/"\\]*:)(?!\*\*\*@)[^\s@/"\\]+@/gu, `$1${REDACTED}@`],
  [/(\bBearer\s+)(?!\[redacted\])[^\s"\\]+/giu, `$1${REDACTED}`],
  [/([?&](?:token|key|password|secret)=)[^&\s"\\]+/giu, `$1${REDACTED}`],
]

/**
 * A log of JSON lines, or of plain sentences where a person watches. docs/operations.md lists the fields.
 *
 * Secrets are left out three times over: fields by their name, texts by their form, and what `conceal` was told, wherever
 * it stands. User ids (the field `userId`, and the same id in the error beside it) are written as a hash, whose key is
 * made at each start: lines of one user can be followed, and nobody can look up who it is by hashing every id.
 *
 * @example
 * const log = createLog({ level: 'info' })
 * log.conceal(secret)
 * log.info('Vigie starts.', { version })
 */
export function createLog({ level, userIds = 'hashed', output = process.stderr }: LogOptions): ServerLog {
  const key = randomBytes(32)
  const secrets = new Set<string>()

  function withoutSecrets(line: string): string {
    let shown = line
    for (const secret of secrets) shown = shown.replaceAll(secret, REDACTED)
    for (const [form, instead] of SECRET_FORMS) shown = shown.replace(form, instead)
    return shown
  }

  const logger = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: REDACTED },
    },
    {
      write(text: string) {
        const line = withoutSecrets(text)
        output.write(output.isTTY === true ? forPeople(line) : line)
      },
    },
  )
  const hash = (userId: string) =>
    `#${createHmac('sha256', key).update(userId).digest('base64url').slice(0, HASH_LENGTH)}`

  function prepare({ error, userId, ...fields }: Fields): Fields {
    const described = error === undefined ? undefined : describeError(error)
    if (typeof userId !== 'string' || userIds === 'plain') {
      return { ...fields, ...(userId !== undefined && { userId }), ...(described && { error: described }) }
    }
    const shown = hash(userId)
    return { ...fields, userId: shown, ...(described && { error: replaced(described, userId, shown) }) }
  }

  const write =
    (name: LogLevel): Log[LogLevel] =>
    (message, fields = {}) => {
      if (logger.isLevelEnabled(name)) logger[name](prepare(fields), message)
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    conceal(secret) {
      if (secret.length < SECRET_MIN_LENGTH) return
      // As it is, as JSON writes it, and as an address does.
      for (const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
        secrets.add(form)
      }
    },
  }
}

type Fields = Readonly<Record<string, unknown>>

/** 72 bits: no two users of one start share it. */
const HASH_LENGTH = 12
/** Causes of causes end here. */
const CAUSES_MAX = 3

interface DescribedError {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: DescribedError
}

/** The fields of an error that have the same meaning everywhere. Others may hold anything, rows of the database say. */
function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: textOf(error) }
  const { name, message, stack, cause } = error
  const code: unknown = 'code' in error ? error.code : undefined
  return {
    type: name,
    message,
    ...(typeof code === 'string' && { code }),
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && depth < CAUSES_MAX && { cause: describeError(cause, depth + 1) }),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value)
}

/** Errors of the database name values: the id that was asked for is one. */
function replaced(error: DescribedError, userId: string, shown: string): DescribedError {
  const escaped = userId.replace(/[.*+?^${}()|[\]\\]/gu, '\\$&')
  const whole = new RegExp(`(?<![\\w-])${escaped}(?![\\w-])`, 'gu')
  const { message, stack, cause } = error
  return {
    ...error,
    message: message.replace(whole, shown),
    ...(stack !== undefined && { stack: stack.replace(whole, shown) }),
    ...(cause && { cause: replaced(cause, userId, shown) }),
  }
}

const SHOWN_LEVELS: ReadonlyMap<unknown, string> = new Map([
  ['debug', 'debug'],
  ['warn', 'warning'],
  ['error', 'error'],
])

/** `12:03:04 warning: the database is away (attempt 3)`; an ordinary line has no level. */
function forPeople(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const name = SHOWN_LEVELS.get(level)
  const details = Object.entries(fields).map(([key, value]) => `${key} ${short(value)}`)
  const tail = details.length === 0 ? '' : ` (${details.join(', ')})`
  return `${clock} ${name === undefined ? '' : `${name}: `}${String(msg)}${tail}\n`
}

function short(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if ('message' in value && typeof value.message === 'string') return value.message
  return JSON.stringify(value)
}
