/** What is wrong with the configuration alone, before anything is opened. */
import { isLoopback, requireDatabase, requireTokenCheck, type Config } from '../config.js'
import { errorMessage, OperatorError } from '../operator-error.js'
import { isWeak, readSecrets, SECRET_MIN_BYTES, withDatabaseUrl } from '../secrets.js'
import type { Finding } from './finding.js'

interface ConfigurationLook {
  readonly findings: readonly Finding[]
  /** With what its files hold; undefined: it could not be read. */
  readonly config: Config | undefined
}

interface ConfigurationInput {
  /** @throws OperatorError when it is refused. */
  readonly load: () => Config
  readonly env: Readonly<Record<string, string | undefined>>
}

/** How long the issuer of tokens may take to answer. Milliseconds. */
const JWKS_MS = 5_000

export async function lookAtConfiguration({ load, env }: ConfigurationInput): Promise<ConfigurationLook> {
  const refusals: string[] = []
  const given = refusalOr(load, refusals)
  if (given === undefined) return { findings: refusals.map(refused), config: undefined }
  const findings = [
    ...given.warnings.map(unknownVariable),
    ...redisFindings(env),
    ...requirementFindings(given),
    ...(await secretFindings(given)),
    ...(await keysFindings(given)),
  ]
  try {
    return { findings, config: await withDatabaseUrl(given) }
  } catch (error) {
    return { findings: [...findings, secretUnreadable(sentenceOf(error))], config: undefined }
  }
}

/** Undefined, and its sentence among the refusals, when an operator can put it right. */
function refusalOr<Value>(work: () => Value, refusals: string[]): Value | undefined {
  try {
    return work()
  } catch (error) {
    refusals.push(sentenceOf(error))
    return undefined
  }
}

/** @throws what is no operator's fault. */
function sentenceOf(error: unknown): string {
  if (error instanceof OperatorError) return errorMessage(error)
  throw error
}

function refused(sentence: string): Finding {
  return {
    ...CONFIGURATION,
    code: 'configuration_refused',
    what: sentence,
    follows: '`vigie serve` does not start, and nothing else can be looked at.',
    todo: 'Correct that value.',
  }
}

function unknownVariable(sentence: string): Finding {
  return {
    ...CONFIGURATION,
    code: 'variable_unknown',
    what: sentence,
    follows: 'What it was meant to set has its default.',
    todo: 'Correct the name, or take the variable away. `vigie config` prints what is in force.',
  }
}

function redisFindings(env: ConfigurationInput['env']): Finding[] {
  if ((env['REDIS_URL'] ?? '') === '') return []
  return [
    {
      ...CONFIGURATION,
      code: 'redis_without_effect',
      what: 'REDIS_URL is set, and this version of Vigie does not use Redis.',
      follows: 'Each server knows only the people who are connected to it.',
      todo: 'Run one server, and take REDIS_URL away from its environment.',
    },
  ]
}

function requirementFindings(config: Config): Finding[] {
  const requirements = [
    ['tokens_unchecked', () => requireTokenCheck(config)],
    ['database_unnamed', () => requireDatabase(config)],
  ] as const
  return requirements.flatMap(([code, require]) => {
    const refusals: string[] = []
    refusalOr(require, refusals)
    return refusals.map((what) => ({
      ...CONFIGURATION,
      code,
      what,
      follows: '`vigie serve` does not start.',
      todo: 'Choose one of these.',
    }))
  })
}

async function secretFindings(config: Config): Promise<Finding[]> {
  try {
    // The secret of the demo is its own affair, and would be written to a file here.
    const secrets = await readSecrets({ ...config, demo: false })
    return secrets
      .filter(({ value }) => isWeak(value))
      .map(({ source }) => ({
        ...CONFIGURATION,
        code: 'secret_weak',
        what: `${source} is shorter than ${SECRET_MIN_BYTES} bytes.`,
        follows: 'Who has one token can guess the secret, and sign tokens of any user.',
        todo: 'Make one of 32 random bytes (`openssl rand -base64 32`); VIGIE_JWT_PREVIOUS_SECRET keeps the old one valid meanwhile.',
      }))
  } catch (error) {
    return [secretUnreadable(sentenceOf(error))]
  }
}

function secretUnreadable(what: string): Finding {
  return {
    ...CONFIGURATION,
    code: 'secret_unreadable',
    what,
    follows: '`vigie serve` does not start.',
    todo: 'Let the user that Vigie runs as read that file, and write the secret into it as one line.',
  }
}

async function keysFindings({ jwksUrl }: Config): Promise<Finding[]> {
  if (jwksUrl === undefined) return []
  const { protocol, hostname } = new URL(jwksUrl)
  const found: Finding[] = []
  if (protocol === 'http:' && !isLoopback(hostname)) {
    found.push({
      ...CONFIGURATION,
      code: 'keys_unencrypted',
      what: `VIGIE_JWKS_URL is ${jwksUrl}, which is not encrypted.`,
      follows: 'An attacker on the way can put keys of their own there, and sign tokens of any user.',
      todo: 'Use the https:// address of the issuer.',
    })
  }
  const trouble = await keysTrouble(jwksUrl)
  if (trouble !== undefined) {
    found.push({
      ...CONFIGURATION,
      code: 'keys_unreachable',
      what: `No keys come from VIGIE_JWKS_URL (${jwksUrl}): ${trouble}.`,
      follows: 'No token can be checked, and nobody is let in.',
      todo: 'Correct the address, or let this machine reach it.',
    })
  }
  return found
}

async function keysTrouble(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(JWKS_MS) })
    if (!answer.ok) return `it answers with the status ${answer.status}`
    const { keys } = (await answer.json()) as { keys?: unknown }
    return Array.isArray(keys) && keys.length > 0 ? undefined : 'its answer has no list of keys'
  } catch (error) {
    const cause: unknown = error instanceof Error ? (error.cause ?? error) : error
    return errorMessage(cause)
  }
}

const CONFIGURATION = { subject: 'configuration' } as const
