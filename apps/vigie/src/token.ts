import { createSigner, createVerifier, type Algorithm } from 'fast-jwt'
import { isId } from '@vigie/protocol'
import type { Config } from './config.js'
import { OperatorError } from './operator-error.js'

type TokenConfig = Pick<Config, 'jwtAlgorithms' | 'jwtIssuer' | 'jwtAudience' | 'jwtUserClaim'>

/** Whose token it is that `vigie doctor` shows to a server, which then says what it sees of the request. */
export const DOCTOR_USER = 'vigie-doctor'

/** Signs and reads tokens as the server with the same configuration accepts them. */
export interface Tokens {
  /** A token of `userId` that ends after `ttlMs`. */
  sign(userId: string, ttlMs: number): string
  /** Whose token it is; `undefined` if it is not one of ours, or has ended. */
  userOf(token: string): string | undefined
}

export function createTokens(secret: string, config: TokenConfig): Tokens {
  const algorithm: Algorithm = config.jwtAlgorithms?.[0] ?? 'HS256'
  const expected = {
    ...(config.jwtIssuer !== undefined && { iss: config.jwtIssuer }),
    ...(config.jwtAudience !== undefined && { aud: config.jwtAudience }),
  }
  const verify = createVerifier({
    key: secret,
    algorithms: [algorithm],
    ...(config.jwtIssuer !== undefined && { allowedIss: config.jwtIssuer }),
    ...(config.jwtAudience !== undefined && { allowedAud: config.jwtAudience }),
  })
  return {
    sign(userId, ttlMs) {
      const sign = createSigner({ key: secret, algorithm, expiresIn: ttlMs })
      return sign({ [config.jwtUserClaim]: userId, ...expected })
    },
    userOf(token) {
      try {
        const claims = verify(token) as Readonly<Record<string, unknown>>
        const userId = claims[config.jwtUserClaim]
        return isId(userId) ? userId : undefined
      } catch {
        // Whatever is wrong with a stranger's token, the answer is the same: it is nobody's.
        return undefined
      }
    },
  }
}

const TTL = /^(\d+)(s|m|h|d)$/u
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/**
 * `90s`, `15m`, `12h`, `30d` as milliseconds.
 * @throws OperatorError
 */
export function parseTtl(text: string): number {
  const [, amount = '', unit = ''] = TTL.exec(text) ?? []
  const ttlMs = Number(amount) * (UNIT_MS.get(unit) ?? 0)
  if (!(ttlMs > 0 && Number.isSafeInteger(ttlMs))) {
    throw new OperatorError(
      `--ttl is ${JSON.stringify(text)}; it must be a number and a unit, such as 90s, 15m, 12h or 30d.`,
    )
  }
  return ttlMs
}
