/** What every command has: where its configuration is, its log, its output. */
import { existsSync, readFileSync } from 'node:fs'
import type { ArgDef, ArgsDef } from 'citty'
import { isId } from '@vigie/protocol'
import { loadConfig, secretsOf, type Config } from './config.js'
import { fileReason } from './file-error.js'
import { createLog, type ServerLog } from './log.js'
import { OperatorError } from './operator-error.js'

const CONFIG_FILE = 'vigie.config.json'

/** Options of each command. */
export const common = {
  config: {
    type: 'string',
    description: `Read options from this file instead of ${CONFIG_FILE}.`,
    valueHint: 'file',
  },
  demo: { type: 'boolean', description: 'The same as VIGIE_DEMO=1.' },
} as const satisfies ArgsDef

export const json = { type: 'boolean', description: 'Print JSON.' } as const satisfies ArgDef

/** A log that keeps the secrets of the configuration to itself. */
export function logOf(config: Config): ServerLog {
  const log = createLog({ level: config.logLevel, userIds: config.logUserIds })
  for (const secret of secretsOf(config)) log.conceal(secret)
  return log
}

/** What {@link common} reads. */
export interface ConfigArgs {
  readonly config?: string | undefined
  readonly demo?: boolean | undefined
}

/** The configuration that a command was given. Its warnings are logged. */
export function configFrom(args: ConfigArgs): Config {
  const config = settledFrom(args)
  const log = logOf(config)
  for (const warning of config.warnings) log.warn(warning)
  return config
}

/** The same; its warnings are not logged. */
export function settledFrom(args: ConfigArgs): Config {
  const path = args.config ?? CONFIG_FILE
  const isThere = existsSync(path)
  if (!isThere && args.config !== undefined) throw new OperatorError(`There is no file ${path}.`)
  return loadConfig({
    env: process.env,
    ...(isThere && { file: { path, text: readConfigFile(path) } }),
    demo: args.demo === true,
  })
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new OperatorError(`${path} cannot be read: ${fileReason(error)}.`, { cause: error })
  }
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** One document of JSON, if that was asked for; otherwise the answer in words. */
export function printAnswer<Answer>(
  { json: isJson }: { readonly json?: boolean | undefined },
  answer: Answer,
  inWords: (answer: Answer) => string,
): void {
  print(isJson === true ? JSON.stringify(answer, undefined, 2) : inWords(answer))
}

/** @param what With which the sentence begins. @throws OperatorError when it is none. */
export function idFrom(what: string, id: string): string {
  if (!isId(id)) throw new OperatorError(`${what} must have 1 to 128 characters and no control characters.`)
  return id
}
