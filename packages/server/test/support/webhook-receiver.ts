/** A real HTTP server that is sent webhooks, and does with them what a test says. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export interface Received {
  readonly id: string
  readonly type: string
  /** The user, or the conversation. */
  readonly subject: string
  readonly sequence: number
  readonly path: string
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string
  /** Every request whose signature the specification's library has verified, in order. */
  readonly received: readonly Received[]
  /** Requests that it has not. */
  readonly forged: readonly string[]
  /** Resolves once it holds; asked after each request. */
  until(what: string, isMet: () => boolean): Promise<void>
}

const PATIENCE_MS = 15_000

/** @param answer Undefined: 204. It may leave the request without an answer. */
export async function startReceiver(
  secret: string,
  answer: (received: Received, response: ServerResponse, request: IncomingMessage) => void = (_, response) =>
    void response.writeHead(204).end(),
): Promise<WebhookReceiver> {
  const verifier = new Webhook(secret)
  const received: Received[] = []
  const forged: string[] = []
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('error', () => {})
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      const headers = request.headers as Record<string, string>
      try {
        verifier.verify(body, headers)
      } catch (error) {
        forged.push(`${String(error)} ${body}`)
        response.writeHead(401).end()
        return
      }
      const { type, data } = JSON.parse(body)
      const one: Received = {
        id: headers['webhook-id']!,
        type,
        subject: data.userId ?? data.conversationId,
        sequence: data.sequence,
        path: request.url ?? '',
      }
      received.push(one)
      answer(one, response, request)
      for (const look of waiting) look()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    forged,
    until(what, isMet) {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!isMet()) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve()
        }
        const timer = setTimeout(() => {
          waiting.delete(look)
          reject(new Error(`Never: ${what}. Received: ${JSON.stringify(received)}, forged: ${forged.join()}`))
        }, PATIENCE_MS)
        waiting.add(look)
        look()
      })
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
