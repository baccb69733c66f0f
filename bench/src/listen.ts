import { createRequire } from 'node:module'
import { createServer, type Server as HttpServer } from 'node:http'
import type UWebSockets from '@trufflesuite/uws-js-unofficial'
import { Server } from 'socket.io'

/** As `vigie serve`; what a storm is met with is the same for every subject. */
const BACKLOG = 4_096

/** Listens on a free port of the loopback, which it returns. */
export async function listen(http: HttpServer): Promise<number> {
  await new Promise<void>((resolve) => http.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, resolve))
  const address = http.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Socket.IO, and how to make it listen, once, on a free port of the loopback. */
export interface Listener {
  readonly io: Server
  listen(): Promise<number>
}

export function serverOnNode(): Listener {
  const http = createServer()
  return { io: new Server(http), listen: () => listen(http) }
}

export function serverOnUws(): Listener {
  // Only here: it is a native module, and the others are measured without it.
  const require = createRequire(import.meta.url)
  const uws = require('@trufflesuite/uws-js-unofficial') as typeof UWebSockets
  const app = uws.App()
  const io = new Server()
  io.attachApp(app)
  return {
    io,
    listen: () =>
      new Promise((resolve, reject) => {
        app.listen('127.0.0.1', 0, (socket) => {
          if (socket === false) reject(new Error('uWebSockets.js cannot listen.'))
          else resolve(uws.us_socket_local_port(socket))
        })
      }),
  }
}

/** Processor time of this process so far, user and system, in milliseconds. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
