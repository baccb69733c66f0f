/**
 * What Socket.IO listens on. The same tests run on Node's own HTTP server with ws, and, with
 * `VIGIE_TEST_ENGINE=uws`, on uWebSockets.js, as `io.attachApp` has it; see `e2e/system/uws.test.ts`.
 */
import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type ServerOptions } from 'socket.io'

export const isOnUws = process.env.VIGIE_TEST_ENGINE === 'uws'

/** A Socket.IO server that does not listen yet. */
export interface Prepared {
  readonly io: Server
  /** On uWebSockets.js it serves nobody. */
  readonly http: HttpServer
  /** Resolves with the port. */
  listen(port: number): Promise<number>
  close(): Promise<void>
}

export async function prepareServer(options: Partial<ServerOptions>): Promise<Prepared> {
  return isOnUws ? prepareOnUws(options) : prepareOnNode(options)
}

function prepareOnNode(options: Partial<ServerOptions>): Prepared {
  const http = createServer()
  const io = new Server(http, options)
  return {
    io,
    http,
    async listen(port) {
      http.listen(port, '127.0.0.1')
      await once(http, 'listening')
      return (http.address() as AddressInfo).port
    },
    close: () => io.close(),
  }
}

async function prepareOnUws(options: Partial<ServerOptions>): Promise<Prepared> {
  // Loaded only here: it is a native module, and `npm test` runs without it.
  const uws = await import('@trufflesuite/uws-js-unofficial')
  const app = uws.App()
  const io = new Server(options)
  io.attachApp(app)
  let listening: Parameters<typeof uws.us_listen_socket_close>[0] | undefined
  // Socket.IO closes an HTTP server that it was given; this one is the host's to close.
  const close = io.close.bind(io)
  io.close = async () => {
    if (listening !== undefined) uws.us_listen_socket_close(listening)
    listening = undefined
    await close()
  }
  return {
    io,
    http: createServer(),
    listen: (port) =>
      new Promise((resolve, reject) => {
        app.listen('127.0.0.1', port, (socket) => {
          if (socket === false) {
            reject(new Error(`uWebSockets.js cannot listen on port ${port}.`))
            return
          }
          listening = socket
          resolve(uws.us_socket_local_port(socket))
        })
      }),
    close: () => io.close(),
  }
}
