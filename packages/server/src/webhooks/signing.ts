/** Signatures of the Standard Webhooks specification: HMAC-SHA256 of id, time and body. */
import { createHash, createHmac } from 'node:crypto'
import type { WebhookEvent } from './events.js'

const PREFIX = 'whsec_'
/** The specification wants 24 to 64 bytes. */
const KEY_BYTES = { min: 24, max: 64 } as const
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/u

/** The key of a secret `whsec_…` (base64 of 24 to 64 bytes); undefined when it is none. */
export function keyOf(secret: string): Buffer | undefined {
  const encoded = secret.slice(PREFIX.length)
  if (!secret.startsWith(PREFIX) || !BASE64.test(encoded)) return undefined
  const key = Buffer.from(encoded, 'base64')
  return key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max ? key : undefined
}

export interface Signed {
  readonly id: string
  /** Seconds since 1970, of this attempt. */
  readonly timestamp: number
  readonly body: string
}

/** The headers of one attempt. With several keys there are several signatures: the receiver accepts any. */
export function signedHeaders(
  { id, timestamp, body }: Signed,
  keys: readonly Buffer[],
): Record<string, string> {
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}

/** Of the fact and not of the attempt: an event that is derived again has the id that it had. */
export function messageId(endpoint: string, { boot, position, type, subject }: WebhookEvent): string {
  const text = JSON.stringify([endpoint, boot, position, type, subject])
  return `msg_${createHash('sha256').update(text).digest('base64url').slice(0, 27)}`
}
