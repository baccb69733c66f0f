import { readFile } from 'node:fs/promises'
import { API_KEYS_MAX, parseApiKey, type ApiKey } from './api/keys.js'
import type { Config } from './config.js'
import { demoSecret } from './demo/secret.js'
import { fileReason } from './file-error.js'
import { OperatorError } from './operator-error.js'
import type { Kind } from './option-kinds.js'
import { SERVER_OPTIONS, variableOf, type ServerValues } from './options.js'

type SecretName = 'jwtSecret' | 'jwtPreviousSecret'
type SecretConfig = Pick<Config, SecretName | 'jwtSecretFile' | 'jwtPreviousSecretFile' | 'demo' | 'dataDir'>

type ApiKeyConfig = Pick<Config, 'apiKey' | 'apiKeyFile' | 'apiKeys' | 'apiKeysFile'>
/** 256 bits, as RFC 7518 asks for HS256. */
export const SECRET_MIN_BYTES = 32

/** Whether it could be guessed from one token. */
export function isWeak(secret: string): boolean {
  return Buffer.byteLength(secret) < SECRET_MIN_BYTES
}

/** A secret, and the variable that it came from. */
export interface Secret {
  readonly value: string
  readonly source: string
}

/**
 * The secrets that tokens may be signed with: first the one that `vigie token` signs with, then the one that it is
 * exchanged for. None where tokens are checked by published keys.
 * @throws OperatorError when a file cannot be read, or holds no secret.
 */
export async function readSecrets(config: SecretConfig): Promise<readonly Secret[]> {
  const current = await readSecret(config, 'jwtSecret')
  const previous = await readSecret(config, 'jwtPreviousSecret')
  const first =
    current ??
    (config.demo ? { value: await demoSecret(config.dataDir), source: 'the secret of the demo' } : undefined)
  return [first, previous].filter((secret) => secret !== undefined)
}

/**
 * The configuration with the address of the database from its file, if it is in one: it holds a password.
 * @throws OperatorError when the file cannot be read, or holds no address.
 */
export async function withDatabaseUrl(config: Config): Promise<Config> {
  const databaseUrl = await readUrl(config, 'databaseUrl')
  return databaseUrl === undefined ? config : { ...config, databaseUrl }
}

/**
 * The same for `vigie audit`: where the keeper of the audit trail has an address of its own, that is the database.
 * @throws OperatorError when the file cannot be read, or holds no address.
 */
export async function withKeeperUrl(config: Config): Promise<Config> {
  const databaseUrl = await readUrl(config, 'trailKeeperUrl')
  if (databaseUrl === undefined) return withDatabaseUrl(config)
  return { ...config, databaseUrl, databaseUrlFile: undefined }
}

async function readUrl(config: Config, name: 'databaseUrl' | 'trailKeeperUrl'): Promise<string | undefined> {
  const path = config[`${name}File`]
  return path === undefined ? config[name] : readOption(name, path, SERVER_OPTIONS[name].kind)
}

/**
 * The value of an option that is in a file.
 * @throws OperatorError when the file cannot be read, or holds none.
 */
async function readOption<T>(
  name: 'databaseUrl' | 'trailKeeperUrl' | 'apiKey' | 'apiKeys' | 'webhooks',
  path: string,
  kind: Kind<T | undefined>,
): Promise<T> {
  const source = variableOf(`${name}File`)
  const value = kind.parse(await readSecretFile(path, source))
  if (value !== undefined) return value
  throw new OperatorError(
    `${source} is ${path}, which holds a value that is not shown; it must be ${kind.expects}.`,
  )
}

/**
 * The keys of the HTTP API, those from files among them; none: it is closed.
 * @throws OperatorError when a file cannot be read, or holds no keys.
 */
export async function readApiKeys(config: ApiKeyConfig): Promise<readonly ApiKey[]> {
  const { apiKey, apiKeyFile, apiKeys = [], apiKeysFile } = config
  const entries = [
    ...(apiKey === undefined ? [] : [apiKey]),
    ...(apiKeyFile === undefined ? [] : [await readOption('apiKey', apiKeyFile, SERVER_OPTIONS.apiKey.kind)]),
    ...apiKeys,
    ...(apiKeysFile === undefined
      ? []
      : await readOption('apiKeys', apiKeysFile, SERVER_OPTIONS.apiKeys.kind)),
  ]
  const keys = entries.map(parseApiKey).filter((key) => key !== undefined)
  if (keys.length <= API_KEYS_MAX) return keys
  throw new OperatorError(
    `There are ${keys.length} keys of the HTTP API; each request is compared with all of them: keep ${API_KEYS_MAX} or fewer.`,
  )
}

/**
 * The entries of the option `webhooks`, or of its file; none: no webhooks are sent.
 * @throws OperatorError when the file cannot be read, or holds none.
 */
export async function readWebhooks(
  config: Pick<Config, 'webhooks' | 'webhooksFile'>,
): Promise<readonly string[]> {
  const { webhooks, webhooksFile: path } = config
  if (path === undefined) return webhooks ?? []
  return readOption('webhooks', path, SERVER_OPTIONS.webhooks.kind)
}

async function readSecret(config: SecretConfig, name: SecretName): Promise<Secret | undefined> {
  const value = config[name]
  if (value !== undefined) return { value, source: variableOf(name) }
  const fileOption = `${name}File` as const satisfies keyof ServerValues
  const path = config[fileOption]
  const source = variableOf(fileOption)
  return path === undefined ? undefined : { value: await readSecretFile(path, source), source }
}

/** Editors and `echo` end a file with a line break, which is no part of the secret. */
async function readSecretFile(path: string, source: string): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw new OperatorError(`${source} is ${path}, which cannot be read: ${fileReason(error)}.`, {
      cause: error,
    })
  }
  const text = decode(bytes)?.replace(/\r?\n$/u, '')
  if (text === '') throw new OperatorError(`${source} is ${path}, which is empty.`)
  // eslint-disable-next-line no-control-regex -- a second line, or bytes that are no text
  if (text === undefined || /[\u0000-\u001f\u007f]/u.test(text)) {
    throw new OperatorError(
      `${source} is ${path}, which must hold the secret alone, as one line of text; random bytes in base64, say.`,
    )
  }
  return text
}

/** Undefined: bytes that are no UTF-8, which would be replaced, and no token would ever fit. */
function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
