/** Who may call the HTTP API, and for what. A key is compared by its digest, and is in no log and no error. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Kind } from '../option-kinds.js'

/** What a key is good for: to ask, or to change something. */
export const SCOPES = ['read', 'act'] as const
export type Scope = (typeof SCOPES)[number]

export interface ApiKey {
  readonly scopes: readonly Scope[]
  readonly key: string
}

/** Most keys: each request is compared with all of them. */
export const API_KEYS_MAX = 100
/** Shorter ones can be guessed: the start warns of them. */
export const API_KEY_MIN_LENGTH = 16
const API_KEY_MAX_LENGTH = 512

/** What can stand behind `Bearer` (RFC 6750). It has no colon, so a scope in front is never part of the key. */
const KEY = /^(?:(read|act):)?([\w.~+/-]+=*)$/u

/** One entry of the options: `key` for both scopes, `read:key` or `act:key` for one. */
export const apiKey: Kind<string> = {
  expects: `a key of at most ${API_KEY_MAX_LENGTH} letters, digits and -._~+/=, for both scopes, or read: or act: and such a key`,
  parse: (raw) => (typeof raw === 'string' && parseApiKey(raw) !== undefined ? raw : undefined),
}

/** What an entry of the options says; undefined: it is none. */
export function parseApiKey(entry: string): ApiKey | undefined {
  const [, scope, key] = KEY.exec(entry) ?? []
  if (key === undefined || key.length > API_KEY_MAX_LENGTH) return undefined
  return { scopes: SCOPES.filter((each) => scope === undefined || each === scope), key }
}

/** A key in force. Its id means something in this process only, and says nothing of the key. */
export interface KnownKey {
  readonly id: number
  readonly scopes: ReadonlySet<Scope>
  /** How the log names it: the first eight hexadecimal digits of the key's SHA-256, the same after each start. */
  readonly fingerprint: string
}

const FINGERPRINT_LENGTH = 8

export interface Keyring {
  readonly size: number
  /** The key that was given, if it is one of these. It takes as long for a key that is nearly right as for any other. */
  find(given: string): KnownKey | undefined
}

/** Of a key that is named twice, once with each scope, say, all scopes count. */
export function createKeyring(keys: readonly ApiKey[]): Keyring {
  const secret = randomBytes(32)
  // Digests have one length, which `timingSafeEqual` needs, and no key can be chosen so that a digest begins alike.
  const digest = (key: string) => createHmac('sha256', secret).update(key).digest()
  const scopesByKey = new Map<string, Set<Scope>>()
  for (const { key, scopes } of keys) {
    scopesByKey.set(key, new Set([...(scopesByKey.get(key) ?? []), ...scopes]))
  }
  const known = [...scopesByKey].map(([key, scopes], id) => ({
    digest: digest(key),
    id,
    scopes,
    fingerprint: createHash('sha256').update(key).digest('hex').slice(0, FINGERPRINT_LENGTH),
  }))
  return {
    size: known.length,
    find(given) {
      const wanted = digest(given)
      let found: KnownKey | undefined
      // All are compared, so that the time does not tell which one it was.
      for (const each of known) if (timingSafeEqual(each.digest, wanted)) found = each
      return found
    },
  }
}
