import type { Log } from '@vigie/server'
import { pino } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogOutput {
  write(line: string): unknown
  readonly isTTY?: boolean
}

/**
 * A {@link Log} that writes JSON lines, or plain sentences where a person watches. It goes to standard error:
 * standard output belongs to what a command was asked for.
 */
export function createLog(level: LogLevel, output: LogOutput = process.stderr): Log {
  const destination =
    output.isTTY === true ? { write: (line: string) => output.write(forPeople(line)) } : output
  const logger = pino({ level, base: null, errorKey: 'error' }, destination)
  const write =
    (name: LogLevel): Log[LogLevel] =>
    (message, fields = {}) => {
      logger[name](fields, message)
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

const LEVELS: ReadonlyMap<unknown, string> = new Map([
  [pino.levels.values['debug'], 'debug'],
  [pino.levels.values['warn'], 'warning'],
  [pino.levels.values['error'], 'error'],
])

/** `12:03:04 warning: the database is away (attempt 3)`; an ordinary line has no level. */
function forPeople(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const name = LEVELS.get(level)
  const details = Object.entries(fields).map(([key, value]) => `${key} ${short(value)}`)
  const tail = details.length === 0 ? '' : ` (${details.join(', ')})`
  return `${clock} ${name === undefined ? '' : `${name}: `}${String(msg)}${tail}\n`
}

function short(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if ('message' in value && typeof value.message === 'string') return value.message
  return JSON.stringify(value)
}
