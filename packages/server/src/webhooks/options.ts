/** The options of `startWebhooks`, checked: each that is wrong is refused with one sentence. */
import { isObject, refuseUnknown, refuseWrongLog } from '../core/given-options.js'
import type { Log } from '../core/ports.js'
import type { SenderEndpoint, SenderSettings } from './sender.js'
import { keyOf } from './signing.js'

/** Where webhooks are sent. */
export interface WebhookEndpoint {
  /** How it is called in the database, in logs and in dead letters: 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`. */
  readonly name: string
  /** `https:`, unless private addresses are allowed. */
  readonly url: string
  /** `whsec_…`: base64 of 24 to 64 bytes. Several while one is exchanged: each signs. At most 5. */
  readonly secret: string | readonly string[]
}

/** Numbers of webhooks: their default, and what they may be. */
export const WEBHOOK_SETTINGS = {
  timeoutMs: { default: 10_000, min: 100, max: 300_000 },
  concurrency: { default: 8, min: 1, max: 100 },
  windowMax: { default: 1_000, min: 10, max: 100_000 },
  deadLetterDays: { default: 30, min: 1, max: 3_650 },
} as const

/** Waits after the first, second, … failure: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, as Standard Webhooks has them. Milliseconds. */
export const RETRY_MS_DEFAULT: readonly number[] = [
  5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000,
]
export const RETRY_MS_MAX = 7 * 86_400_000
export const RETRIES_MAX = 20
export const ENDPOINTS_MAX = 10
export const SECRETS_MAX = 5
const NAME = /^[\w.-]{1,64}$/u

/** Options of webhooks, beside where the trail is. */
export interface WebhookOptions {
  /** 1 to 10, with different names. */
  readonly endpoints: readonly WebhookEndpoint[]
  /** Whether a webhook may go to `http:`, and to loopback, private and other addresses that are not public. @default false */
  readonly allowPrivate?: boolean
  /** How long one attempt may take. @default 10000 */
  readonly timeoutMs?: number
  /** Attempts of one endpoint at a time; of one user, or one conversation, there is never more than one. @default 8 */
  readonly concurrency?: number
  /** Waits after the first, second, … failure, each a quarter longer or shorter by chance; then it is a dead letter. @default 5 s, 5 min, 30 min, 2 h, 5 h, 10 h */
  readonly retryMs?: readonly number[]
  /** Events of one endpoint that were read from the trail and have not arrived; above it the trail is not read on. @default 1000 */
  readonly windowMax?: number
  /** How long dead letters are kept. @default 30 */
  readonly deadLetterDays?: number
  /** Where sentences for operators go. @default warnings and errors to the console */
  readonly log?: Log
}

/** The compiler asks for each. */
const OPTIONS: Readonly<Record<keyof WebhookOptions, true>> = {
  endpoints: true,
  allowPrivate: true,
  timeoutMs: true,
  concurrency: true,
  retryMs: true,
  windowMax: true,
  deadLetterDays: true,
  log: true,
}
const WHERE = 'startWebhooks'

/** @throws TypeError or RangeError with one sentence when an option is none. `sql` is checked by the caller. */
export function resolveWebhookOptions(options: WebhookOptions & { readonly sql: unknown }): {
  readonly endpoints: readonly SenderEndpoint[]
  readonly settings: SenderSettings
  readonly allowPrivate: boolean
} {
  const given = options as unknown as Readonly<Record<string, unknown>>
  refuseUnknown(given, [...Object.keys(OPTIONS), 'sql'], WHERE)
  refuseWrongLog(given['log'])
  const { allowPrivate = false, retryMs = RETRY_MS_DEFAULT } = options
  if (typeof allowPrivate !== 'boolean') throw new TypeError('allowPrivate must be true or false.')
  refuseWrongWaits(retryMs)
  return {
    endpoints: resolveEndpoints(given['endpoints'], allowPrivate),
    allowPrivate,
    settings: {
      retryMs: [...retryMs],
      timeoutMs: wholeOf('timeoutMs', options.timeoutMs),
      concurrency: wholeOf('concurrency', options.concurrency),
      windowMax: wholeOf('windowMax', options.windowMax),
      deadLetterDays: wholeOf('deadLetterDays', options.deadLetterDays),
    },
  }
}

function wholeOf(name: keyof typeof WEBHOOK_SETTINGS, value: unknown): number {
  const { default: otherwise, min, max } = WEBHOOK_SETTINGS[name]
  if (value === undefined) return otherwise
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new RangeError(
    `${name} is ${JSON.stringify(value)}; it must be a whole number from ${min} to ${max}.`,
  )
}

function refuseWrongWaits(waits: unknown): void {
  const isWait = (wait: unknown) =>
    typeof wait === 'number' && Number.isInteger(wait) && wait >= 0 && wait <= RETRY_MS_MAX
  if (Array.isArray(waits) && waits.length <= RETRIES_MAX && waits.every(isWait)) return
  throw new RangeError(
    `retryMs must be a list of at most ${RETRIES_MAX} waits, each a whole number of milliseconds up to ${RETRY_MS_MAX}.`,
  )
}

function resolveEndpoints(given: unknown, allowPrivate: boolean): readonly SenderEndpoint[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > ENDPOINTS_MAX)
    throw new TypeError(`endpoints must be a list of 1 to ${ENDPOINTS_MAX}: \`{ name, url, secret }\`.`)
  const endpoints = given.map((endpoint: unknown) => resolveEndpoint(endpoint, allowPrivate))
  const names = endpoints.map(({ name }) => name)
  const twice = names.find((name, place) => names.indexOf(name) !== place)
  if (twice !== undefined)
    throw new TypeError(`Two webhook endpoints are called ${twice}; give each a name of its own.`)
  return endpoints
}

function resolveEndpoint(given: unknown, allowPrivate: boolean): SenderEndpoint {
  if (!isObject(given)) throw new TypeError('A webhook endpoint must be `{ name, url, secret }`.')
  const { name, url: address, secret, ...others } = given as Readonly<Record<string, unknown>>
  refuseUnknown(others, [], `${WHERE}({ endpoints })`)
  if (typeof name !== 'string' || !NAME.test(name))
    throw new TypeError(
      'The name of a webhook endpoint must be 1 to 64 letters, digits, dots, hyphens or underscores.',
    )
  const url = typeof address === 'string' && URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw new TypeError(`The url of webhook endpoint ${name} must begin with https://.`)
  if (url.protocol === 'http:' && !allowPrivate)
    throw new TypeError(
      `The url of webhook endpoint ${name} must begin with https://: http:// shows everybody on the way who is online. In a network of your own, allow private addresses.`,
    )
  if (url.username !== '' || url.password !== '')
    throw new TypeError(
      `The url of webhook endpoint ${name} has a user or a password; requests are signed instead.`,
    )
  return { name, url, keys: keysOf(name, secret) }
}

function keysOf(name: string, secret: unknown): readonly Buffer[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret]
  const keys = secrets.flatMap((each) => (typeof each === 'string' ? (keyOf(each) ?? []) : []))
  if (keys.length > 0 && keys.length === secrets.length && keys.length <= SECRETS_MAX) return keys
  throw new TypeError(
    `The secret of webhook endpoint ${name} must be whsec_ and then 24 to 64 bytes as base64, or a list of at most ${SECRETS_MAX} of these; make one with: echo "whsec_$(openssl rand -base64 32)"`,
  )
}
