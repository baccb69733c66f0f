import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A line between a client and a server that can go dead, break, and come back. */
export interface Proxy extends AsyncDisposable {
  /** Where clients connect instead. */
  readonly url: string
  /** Connections that were ever accepted. */
  readonly accepted: number
  /** Connections that are open now, on the client's side. */
  readonly open: number
  /** Bytes go no further, both ways, and nobody is told: no FIN, no RST. New connections are accepted and say nothing. */
  freeze(): void
  /** What was held back flows, in order. */
  thaw(): void
  /** Breaks every connection at once with an RST on both sides. New ones are served. */
  cut(): void
}

interface Line {
  readonly client: Socket
  readonly server: Socket
}

/**
 * Listens on loopback and forwards to `targetUrl`. The target may be away, and may come back: each connection
 * tries anew, and one that fails is broken to the client like a refused one.
 *
 * @example
 * await using proxy = await startProxy(server.url)
 * proxy.freeze() // the phone is in a tunnel
 */
export async function startProxy(targetUrl: string): Promise<Proxy> {
  const target = new URL(targetUrl)
  const lines = new Set<Line>()
  let accepted = 0
  let isFrozen = false

  const listener = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => {
    accepted += 1
    const server = connect({ host: target.hostname, port: Number(target.port), allowHalfOpen: true })
    const line = { client, server }
    lines.add(line)
    client.setNoDelay(true)
    server.setNoDelay(true)
    forward(client, server)
    forward(server, client)
    // A pause is the whole trick: unread bytes stay in the kernel, and the end of a stream behind them too.
    if (isFrozen) pause(line)
    else resume(line)
  })

  function forward(from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (!to.write(bytes)) {
        from.pause()
        to.once('drain', () => {
          if (!isFrozen) from.resume()
        })
      }
    })
    from.on('end', () => to.end())
    // The other side of a broken line breaks too; `close` follows each error, so that errors need no care of their own.
    from.on('error', () => to.resetAndDestroy())
    from.on('close', (hadError) => {
      if (hadError) to.resetAndDestroy()
      for (const line of lines) {
        if (line.client === from) lines.delete(line)
      }
    })
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    get accepted() {
      return accepted
    },
    get open() {
      return lines.size
    },
    freeze() {
      isFrozen = true
      lines.forEach(pause)
    },
    thaw() {
      isFrozen = false
      lines.forEach(resume)
    },
    cut() {
      lines.forEach(breakLine)
    },
    async [Symbol.asyncDispose]() {
      lines.forEach(breakLine)
      listener.close()
      await once(listener, 'close')
    },
  }
}

function pause({ client, server }: Line): void {
  client.pause()
  server.pause()
}

function resume({ client, server }: Line): void {
  client.resume()
  server.resume()
}

function breakLine({ client, server }: Line): void {
  client.resetAndDestroy()
  server.resetAndDestroy()
}
