/**
 * The entry `@vigie/client/audit`: a client that also answers a server that asks for a digest of its picture. An entry of
 * its own, so that pages that do without it do not load it.
 */
import type { DigestAnswer, DigestQuestion } from '@vigie/protocol'
import { createClient, type PresenceClientOptions, type SocketPresenceClient } from './client.js'
import { digestOf } from './digest.js'
import { socketIoTransport } from './transport.js'

/**
 * Makes a client as `createPresenceClient` does, which also answers `presence:digest`: the operator's command
 * `vigie audit-clients` asks some clients whether what they show is what the server told them. Only hashes are sent.
 *
 * @example
 * import { createAuditedClient } from '@vigie/client/audit'
 * const presence = createAuditedClient({ url: 'https://chat.example.com', token: () => fetchToken() })
 */
export function createAuditedClient(options: PresenceClientOptions): SocketPresenceClient {
  const { socket, open } = socketIoTransport(options.url, options.socketOptions, options.platform)
  const { sync, ...client } = createClient(options, {
    open: (auth, events) => open({ ...auth, audit: true }, events),
  })
  socket.on('presence:digest', ({ nonce }: DigestQuestion, answer: (digest: DigestAnswer) => void) => {
    // Everything that was told before the question is folded in: it came before it on the same connection.
    answer(digestOf(sync().picture, nonce))
  })
  return { ...client, socket }
}
