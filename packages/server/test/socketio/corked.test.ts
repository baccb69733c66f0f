import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SessionId, UserId } from '@vigie/protocol'
import { Server } from 'socket.io'
import { io as connectSocket } from 'socket.io-client'
import { expect, it } from 'vitest'
import { createOutbound, WRITES_PER_TURN } from '../../src/socketio/outbound.js'

it('of two who are let in within the same turn of the loop, one who cannot be told is cut, and the other is told', async () => {
  const http = createServer()
  const io = new Server(http)
  const failed: SessionId[] = []
  let first: SessionId | undefined
  const outbound = createOutbound({
    stalledClientMs: 60_000,
    onLacking() {},
    now: () => performance.now(),
    server: io,
    emit: true,
    take({ id }) {
      if (id === first) throw new Error('broken')
      return [{ name: 'presence:update', payload: { userId: 'ann' as UserId, online: true, count: 1 } }]
    },
    onFailure({ id }) {
      failed.push(id)
    },
  })
  const waiting: (() => void)[] = []
  io.use((socket, next) => {
    waiting.push(() => {
      outbound.cork(socket.conn)
      next()
    })
    if (waiting.length === 2) for (const letIn of waiting) letIn()
  })
  io.on('connection', (socket) => {
    const id = socket.id as SessionId
    first ??= id
    outbound.writeAll([{ id, outlet: outbound.open(socket) }])
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const connect = () => connectSocket(url, { forceNew: true, transports: ['websocket'], reconnection: false })
  const ended = new Promise<unknown>((resolve) => {
    io.on('connection', (socket) => {
      socket.on('disconnect', () => {
        resolve(socket.id)
      })
    })
  })
  const clients = [connect(), connect()]
  try {
    const told = clients.map((client) => once(client as never, 'presence:update'))
    await Promise.race(told)
    expect(failed).toEqual([first])
    expect(await ended).toBe(first)
  } finally {
    for (const client of clients) client.disconnect()
    await io.close()
  }
})

it('of very many some are told in each turn of the loop, and what is owed meanwhile goes along', async () => {
  const io = new Server()
  const owed = new Map<string, number>()
  const told: number[] = []
  const outbound = createOutbound({
    stalledClientMs: 60_000,
    onLacking() {},
    now: () => performance.now(),
    server: io,
    // Only what is taken counts here.
    emit: false,
    take({ id }) {
      told.push(owed.get(id) ?? 0)
      return []
    },
    onFailure(_session, error) {
      throw error
    },
  })
  const outlet = { state: 'open', connection: { readyState: 'open' } }
  const sessions = Array.from({ length: 2 * WRITES_PER_TURN + 1 }, (_, place) => ({
    id: `s${place}` as SessionId,
    outlet,
  }))
  for (const { id } of sessions) owed.set(id, 1)
  outbound.writeAll(sessions)
  expect(told).toHaveLength(WRITES_PER_TURN)
  for (const { id } of sessions) owed.set(id, 2)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told).toHaveLength(2 * WRITES_PER_TURN)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told).toHaveLength(sessions.length)
  expect(told.slice(WRITES_PER_TURN)).toEqual(sessions.slice(WRITES_PER_TURN).map(() => 2))
})
