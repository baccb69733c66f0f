import type { Server } from 'socket.io'
import { verifyToken } from '../token.js'
import type { Subject } from './subject.js'

/** Bare Socket.IO with a token check: what any answer costs at least. */
export function attachFloor(io: Server): Subject {
  io.use(checkToken)
  return { ready: Promise.resolve(), queries: () => ({ reads: 0, feed: 0 }) }
}

/** Puts the user's id where handlers find it. */
export const checkToken: Parameters<Server['use']>[0] = (socket, next) => {
  try {
    ;(socket.data as { userId?: string }).userId = verifyToken(socket.handshake.auth['token'])
    next()
  } catch (error) {
    next(error instanceof Error ? error : new Error(String(error)))
  }
}
