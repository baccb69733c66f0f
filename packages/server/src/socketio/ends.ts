/**
 * How a connection is ended. A client that is to come back has its connection cut: some libraries stop reading at a
 * WebSocket close frame and notice the end much later, others take it for a wish to stay away. A client that is to stay
 * away is told so, and gets a close frame. See docs/decisions/ends.md.
 */
import type { Socket } from 'socket.io'
import {
  connectionOf,
  cutLine,
  disconnectAll,
  ignoreIncoming,
  whenWritten,
  type Connection,
} from './internals.js'

/** How long the end of a connection waits, at most, for what is still to be written. Milliseconds. */
export const WRITE_OUT_MS = 1_000

/**
 * Time between the last word to a client and what ends its connection. Some libraries handle each packet in a thread of
 * its own: an end that follows at once may be handled first. Milliseconds.
 */
export const LAST_WORD_PAUSE_MS = 100

/** How long, on average, a connection that is to try again is held before it is cut. Milliseconds. */
export const REFUSAL_HOLD_MS = 1_000

/** It is cut this share of the time earlier or later, so that not all come back together. */
export const REFUSAL_JITTER = 0.25

/** Most connections that are held; one more is cut at once. */
export const REFUSALS_HELD_MAX = 1_000

type HasConnection = Pick<Socket, 'conn'>

export interface Ends {
  /** Its client is to come back. What is pending is written first; nothing is taken from it any more. */
  endForNow(socket: Socket): void
  /**
   * Its client is to stay away: its last word, a DISCONNECT packet, a close frame, with {@link LAST_WORD_PAUSE_MS} before
   * each end. Nothing is taken from it any more. A client that reads nothing is cut.
   */
  endForGood(socket: Socket): void
  /** No close frame. What is pending is written first, within {@link WRITE_OUT_MS}, and `pauseMs` pass after it. */
  cutWhenWritten(socket: HasConnection, pauseMs?: number): void
  /**
   * Socket.IO's own `close()` is under way and closes all connections with a close frame, in the next turn: those that
   * have been cut by then have none. One with something pending gets it behind that, and is cut later.
   */
  cutInDrain(socket: HasConnection): void
  /**
   * Calls back about {@link REFUSAL_HOLD_MS} from now, when the connection closes, or when presence does. At once, if
   * {@link REFUSALS_HELD_MAX} are held, or this connection is already.
   */
  hold(socket: HasConnection, then: () => void): void
  /** How many connections are held. */
  readonly held: number
  /** Lets go of all that are held. From now on none is. */
  close(): void
}

/** @param onFailure What a handler of the host threw when it heard of an end: nobody else would hear of it. */
export function createEnds(onFailure: (error: unknown) => void): Ends {
  const held = new Map<Connection, () => void>()
  let isClosed = false

  function guard(end: () => void): void {
    try {
      end()
    } catch (error) {
      onFailure(error)
    }
  }

  function cut(connection: Connection): void {
    guard(() => {
      cutLine(connection)
    })
  }

  /** A client that has not answered a close frame by then is not waited for. */
  function cutLater(connection: Connection): void {
    setTimeout(cut, WRITE_OUT_MS, connection).unref()
  }

  function cutWhenWritten(socket: HasConnection, pauseMs = 0): void {
    const connection = connectionOf(socket)
    whenWritten(connection, { withinMs: WRITE_OUT_MS, pauseMs }, () => {
      cut(connection)
    })
  }

  return {
    endForNow(socket) {
      ignoreIncoming(connectionOf(socket))
      cutWhenWritten(socket)
    },
    endForGood(socket) {
      const connection = connectionOf(socket)
      const toWait = { withinMs: WRITE_OUT_MS, pauseMs: LAST_WORD_PAUSE_MS }
      ignoreIncoming(connection)
      whenWritten(connection, toWait, (isSaid) => {
        disconnectAll(socket, guard)
        if (!isSaid) {
          cut(connection)
          return
        }
        whenWritten(connection, toWait, (isWritten) => {
          if (isWritten) connection.close()
          cutLater(connection)
        })
      })
    },
    cutWhenWritten,
    cutInDrain(socket) {
      cutWhenWritten(socket)
      cutLater(connectionOf(socket))
    },
    hold(socket, then) {
      const connection = connectionOf(socket)
      const mayWait = !isClosed && held.size < REFUSALS_HELD_MAX && !held.has(connection)
      if (!mayWait || connection.readyState !== 'open') {
        then()
        return
      }
      const letGo = () => {
        clearTimeout(timer)
        connection.off('close', letGo)
        held.delete(connection)
        then()
      }
      const jitter = 1 + REFUSAL_JITTER * (2 * Math.random() - 1)
      const timer = setTimeout(letGo, REFUSAL_HOLD_MS * jitter)
      // The socket keeps the process alive; this must not.
      timer.unref()
      connection.once('close', letGo)
      held.set(connection, letGo)
    },
    get held() {
      return held.size
    },
    close() {
      isClosed = true
      for (const letGo of [...held.values()]) letGo()
    },
  }
}
