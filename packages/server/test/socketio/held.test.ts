import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SessionId, UserId } from '@vigie/protocol'
import { Server } from 'socket.io'
import { io as connectSocket } from 'socket.io-client'
import { expect, it } from 'vitest'
import { createOutbound, OFFERED_AT_ONCE } from '../../src/socketio/outbound.js'

it('of two who are let in within the same turn of the loop, one who cannot be told keeps nothing from the other', async () => {
  const http = createServer()
  const io = new Server(http)
  const failed: SessionId[] = []
  let first: SessionId | undefined
  const outbound = createOutbound({
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
      outbound.hold(socket.conn)
      next()
    })
    if (waiting.length === 2) for (const letIn of waiting) letIn()
  })
  io.on('connection', (socket) => {
    const id = socket.id as SessionId
    first ??= id
    outbound.offerAll([{ id, line: outbound.open(socket) }])
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const connect = () => connectSocket(url, { forceNew: true, transports: ['websocket'] })
  const clients = [connect(), connect()]
  try {
    const told = clients.map((client) => once(client as never, 'presence:update'))
    await Promise.all([...clients.map((client) => once(client as never, 'connect')), Promise.race(told)])
    expect(failed).toEqual([first])
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
  const line = { state: 'open', connection: { readyState: 'open' } }
  const sessions = Array.from({ length: 2 * OFFERED_AT_ONCE + 1 }, (_, place) => ({
    id: `s${place}` as SessionId,
    line,
  }))
  for (const { id } of sessions) owed.set(id, 1)
  outbound.offerAll(sessions)
  expect(told).toHaveLength(OFFERED_AT_ONCE)
  for (const { id } of sessions) owed.set(id, 2)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told).toHaveLength(2 * OFFERED_AT_ONCE)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told).toHaveLength(sessions.length)
  expect(told.slice(OFFERED_AT_ONCE)).toEqual(sessions.slice(OFFERED_AT_ONCE).map(() => 2))
})
