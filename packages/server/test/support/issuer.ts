import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Socket } from 'socket.io'

/** What the check of a token needs of a socket. */
export function bearing(token: unknown, authorization?: string): Socket {
  return { handshake: { auth: { token }, headers: { authorization } } } as unknown as Socket
}

export interface Issuer extends AsyncDisposable {
  /** Where its public keys are. */
  readonly url: string
  /** How often they were fetched. */
  requests(): number
  /** From now on these keys are the ones that it stands by. */
  publish(...kids: string[]): void
  /** From now on it takes requests and never answers. */
  hang(): void
  /** A token signed with the key of this name, published or not. */
  token(kid: string, userId: string, claims?: object): string
}

/** An issuer that publishes the keys that it signs with. */
export async function startIssuer(): Promise<Issuer> {
  const pairs = new Map<string, { readonly publicKey: KeyObject; readonly privateKey: KeyObject }>()
  const pairOf = (kid: string) => {
    const pair = pairs.get(kid) ?? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    pairs.set(kid, pair)
    return pair
  }
  let published: string[] = []
  let requests = 0
  let isHanging = false
  const server = createServer((_request, response) => {
    requests++
    if (isHanging) return
    const jwks = published.map((kid) => ({
      ...pairOf(kid).publicKey.export({ format: 'jwk' }),
      kid,
      alg: 'ES256',
    }))
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: jwks }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    requests: () => requests,
    hang() {
      isHanging = true
    },
    publish(...kids: string[]) {
      published = kids
    },
    token(kid: string, userId: string, claims: object = {}) {
      const { privateKey: key } = pairOf(kid)
      const signed = `${part({ alg: 'ES256', kid })}.${part({ sub: userId, ...claims })}`
      const signature = createSign('sha256').update(signed).sign({ key, dsaEncoding: 'ieee-p1363' })
      return `${signed}.${signature.toString('base64url')}`
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
