/** The end of all connections when the server goes: their clients are to come back, to the next server. */
import type { Server as HttpServer } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Server } from 'socket.io'

/** How long what is pending may take to be written, and requests to be answered; then their lines are cut. Milliseconds. */
export const DRAIN_MS = 2_000

/** How often connections without a request are closed meanwhile: browsers keep them open for the next one. Milliseconds. */
const IDLE_LOOK_MS = 20

const NO_BYTES = Buffer.alloc(0)

/**
 * Watches the lines of the server, from before it listens; the function that it returns ends them, and resolves once all
 * have ended. `ioOf` is asked then: a server may listen before its Socket.IO is there. WebSockets
 * are cut, without a close frame, once what is pending was written: some clients would take a close frame for a wish to
 * stay away, others would stop reading and notice the end 20 s later. Polling clients are told to come again.
 */
export function createDrain(server: HttpServer, ioOf: () => Server | undefined): () => Promise<void> {
  const lines = new Set<Duplex>()
  const webSockets = new Set<Duplex>()
  /** Lines on which no request has come yet: Node does not take them for idle. */
  const silent = new Set<Duplex>()
  server.on('connection', (line: Duplex) => {
    lines.add(line)
    silent.add(line)
    line.once('close', () => {
      for (const set of [lines, webSockets, silent]) set.delete(line)
    })
  })
  server.on('request', ({ socket: line }) => silent.delete(line))
  server.on('upgrade', (_request, line) => {
    silent.delete(line)
    if (lines.has(line)) webSockets.add(line)
  })
  return async () => {
    const bound = setTimeout(() => {
      for (const line of lines) line.destroy()
    }, DRAIN_MS)
    for (const line of silent) line.destroy()
    await Promise.all([...webSockets].map(cutWhenWritten))
    const idle = setInterval(() => {
      server.closeIdleConnections()
    }, IDLE_LOOK_MS)
    await (ioOf()?.close() ?? closed(server))
    clearInterval(idle)
    clearTimeout(bound)
  }
}

/** Resolves once the line has ended. */
function cutWhenWritten(line: Duplex): Promise<void> {
  return new Promise((resolve) => {
    line.once('close', resolve)
    const look = (error?: Error | null) => {
      if (error || !line.writable || line.writableLength === 0) line.destroy()
      // What Socket.IO keeps for the line is given to it before this is called back.
      else line.write(NO_BYTES, look)
    }
    look()
  })
}

/** Also when it never listened. */
function closed(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
  })
}
