/** Of uWebSockets.js's backpressure: with the count of kept bytes that its WebSockets have, and a clock that is moved. */
import { EventEmitter } from 'node:events'
import { Server, type Socket } from 'socket.io'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { DueSession, PresenceEvent } from '../../src/core/index.js'
import { createOutbound } from '../../src/socketio/outbound.js'

/** uWebSockets.js drops what comes while it keeps more than this. */
const KEPT_MAX_BYTES = 64 * 1024

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A client that reads `read()` bytes when told to. */
function slowClient() {
  const came: string[] = []
  let kept = 0
  let isCut = false
  const connection = Object.assign(new EventEmitter(), {
    readyState: 'open',
    writeBuffer: [],
    transport: Object.assign(new EventEmitter(), {
      name: 'websocket',
      writable: true,
      socket: {
        getBufferedAmount: () => kept,
        close() {
          isCut = true
          connection.readyState = 'closed'
        },
      },
    }),
    write(data: string) {
      if (kept > KEPT_MAX_BYTES) return
      kept += data.length
      came.push(data)
    },
  })
  return {
    came,
    socket: { conn: connection, nsp: { name: '/' } } as unknown as Socket,
    read() {
      kept = 0
    },
    get isCut() {
      return isCut
    },
  }
}

const online = (n: number): PresenceEvent => ({
  name: 'presence:update',
  payload: { userId: `user-${n}-${'x'.repeat(100)}` as never, online: true, count: 1 },
})

function setUp(pending: PresenceEvent[][]) {
  const client = slowClient()
  let takes = 0
  const outbound = createOutbound({
    server: new Server(),
    take: () => {
      takes++
      return pending.shift() ?? []
    },
    emit: true,
    stalledClientMs: 1_000,
    onLacking() {},
    now: () => performance.now(),
    onFailure(_session, error) {
      throw error
    },
  })
  const outlet = outbound.open(client.socket)
  const session = { outlet } as unknown as DueSession
  const due = () => {
    outbound.writeAll([session])
  }
  return { client, outbound, outlet, due, takes: () => takes }
}

it('a snapshot of many packets is written as the client reads, and no packet is dropped', async () => {
  const events = Array.from({ length: 2_000 }, (_, n) => online(n))
  const later = [online(9_999)]
  const { client, due, takes } = setUp([events, later])
  due()
  // Something is pending again before all is written: it waits for its turn.
  due()
  for (let times = 0; times < 2_001; times++) {
    client.read()
    await vi.advanceTimersByTimeAsync(20)
  }
  expect(client.came).toHaveLength(2_001)
  expect(client.came[0]).toContain('user-0-')
  expect(client.came.at(-1)).toContain('user-9999-')
  expect(takes()).toBe(2)
  expect(vi.getTimerCount()).toBe(0)
})

it('while the client reads nothing its session stays one pending state, and after stalledClientMs it is cut', async () => {
  const { client, outbound, due, takes } = setUp([[online(1)], [online(2)]])
  due()
  due()
  due()
  await vi.advanceTimersByTimeAsync(500)
  outbound.cutStalled()
  expect([takes(), client.came.length, client.isCut]).toEqual([1, 1, false])
  await vi.advanceTimersByTimeAsync(600)
  outbound.cutStalled()
  expect(client.isCut).toBe(true)
  await vi.advanceTimersByTimeAsync(20)
  expect([takes(), vi.getTimerCount()]).toEqual([1, 0])
})

it('a session that ends while the rest of a snapshot waits is written no more', async () => {
  const { client, outbound, outlet, due } = setUp([[online(1), online(2)]])
  due()
  outbound.end(outlet)
  client.read()
  await vi.advanceTimersByTimeAsync(20)
  expect(client.came).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})
