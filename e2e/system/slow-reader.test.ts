import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { GroupId, SessionId, UserId } from '@vigie/protocol'
import { Server } from 'socket.io'
import { beforeAll, expect, it } from 'vitest'
import { createEngine, resolveSettings } from '../../packages/server/src/core/index.js'
import { createOutbound } from '../../packages/server/src/socketio/outbound.js'
import { createRuntime } from '../../packages/server/src/socketio/runtime.js'
import { emptySynced, foldDiff, foldState } from '../../packages/server/src/testing/synced.js'
import { startProcess } from '../support/process.js'
import { installPython, PYTHON } from '../support/python.js'

const PEOPLE = 249
/** Enough that the kernel’s own buffers, some megabytes, are full long before the end. */
const TRANSITIONS = 80_000
/** One packet, as large as it can be here: a diff that names everybody, each with a long id. */
const ONE_PACKET_BYTES = 64_000
/** Debian's packages may have to be fetched first. */
const INSTALL_TIMEOUT_MS = 300_000

beforeAll(installPython, INSTALL_TIMEOUT_MS)

/**
 * The other people are on another node, so that 80,000 transitions need no 80,000 connections: the engine takes
 * both alike. What is tested is the way from the outbox to a connection that does not read.
 */
it('somebody who does not read costs one packet, and is right within one frame once they do', async () => {
  const http = createServer()
  const io = new Server(http, { pingInterval: 60_000 })
  const engine = createEngine(resolveSettings())
  const runtime = createRuntime(engine, (effect) => {
    if (effect.type === 'due') outbound.writeAll(effect.sessions)
  })
  const outbound = createOutbound({
    stalledClientMs: 60_000,
    onLacking() {},
    now: () => performance.now(),
    server: io,
    take: (session) => engine.take(session, runtime.now()),
    emit: true,
    onFailure(_session, error) {
      throw error
    },
  })
  const people = Array.from({ length: PEOPLE }, (_, n) => `person-${n}-`.padEnd(120, 'x') as UserId)
  const viewer = 'viewer' as UserId
  const roster = [viewer, ...people]
  const rooms = [{ kind: 'group', id: 'g' as GroupId, value: roster }] as const
  let seq = 0
  const setOnline = (userId: UserId, isOnline: boolean) => {
    runtime.accept({
      type: 'contribution',
      node: 'other',
      epoch: '1',
      seq: ++seq,
      userId,
      devices: isOnline ? ['d'] : [],
    })
  }
  for (const userId of people) {
    setOnline(userId, true)
    runtime.accept({ type: 'memberships', userId, rooms })
  }
  const connected = new Promise<void>((resolve) => {
    io.on('connection', (socket) => {
      const sessionId = socket.id as SessionId
      const outlet = outbound.open(socket)
      runtime.accept({ type: 'connect', sessionId, userId: viewer, rooms, protocol: 2, since: 0, outlet })
      resolve()
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as { port: number }
  const script = fileURLToPath(new URL('../support/slow-reader.py', import.meta.url))
  await using reader = startProcess([script, '127.0.0.1', String(port)], {
    command: PYTHON,
  })
  await Promise.all([connected, reader.waitForLine(/^open$/)])

  const [socket] = await io.fetchSockets().then(() => [...io.sockets.sockets.values()])
  if (!socket) throw new Error('nobody is connected')
  const connection = socket.conn as unknown as {
    writeBuffer: unknown[]
    transport: { socket: { _socket: { writableLength: number } } }
  }
  let mostPackets = 0
  let mostBytes = 0
  const online = new Map(people.map((userId) => [userId, true]))
  for (let made = 0; made < TRANSITIONS; made += PEOPLE) {
    for (const userId of people) {
      online.set(userId, !online.get(userId))
      setOnline(userId, online.get(userId) === true)
    }
    // One window of the loop: slots open, drains are heard.
    await new Promise((resolve) => setTimeout(resolve, 25))
    mostPackets = Math.max(mostPackets, connection.writeBuffer.length)
    mostBytes = Math.max(mostBytes, connection.transport.socket._socket.writableLength)
  }
  console.log(
    `At most ${mostPackets} packets and ${mostBytes} bytes waited; ${engine.sizes().owed} entries are owed.`,
  )
  expect(mostPackets).toBeLessThanOrEqual(1)
  expect(mostBytes).toBeLessThan(ONE_PACKET_BYTES)
  expect(mostBytes).toBeGreaterThan(0)
  // Now and then it is looked at whether some are about the same people.
  expect(engine.sizes().owed).toBeLessThanOrEqual(1.25 * PEOPLE + 33)

  reader.write('read\n')
  const synced = emptySynced()
  let seen = 0
  const isRight = () => people.every((userId) => (synced.users.get(userId) ?? 0) > 0 === online.get(userId))
  // What waited in the kernel comes first; then one frame, and all is right.
  while (engine.sizes().owed > 0 || !isRight()) {
    await reader.find('something new', () => (reader.lines.length > seen ? true : undefined))
    for (const line of reader.lines.slice(seen)) {
      seen++
      if (!line.startsWith('42')) continue
      const [name, payload] = JSON.parse(line.slice(2)) as [string, never]
      if (name === 'presence:state') foldState(synced, payload)
      if (name === 'presence:diff') foldDiff(synced, payload)
    }
  }
  runtime.close()
  await io.close()
})
