import { Server } from 'socket.io'
import { expect, it } from 'vitest'
import {
  connectionCountOf,
  connectionOf,
  lacking,
  streamOf,
  type Connection,
} from '../../src/socketio/internals.js'
import { startWire } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob']]] } as const
/** What the warning about missing parts begins with. */
const WARNING = 'The installed engine.io lacks parts'

it.each(['websocket', 'polling'])('the installed engine.io lacks nothing over %s', async (transport) => {
  await using wire = await startWire({ rows })
  const ann = await wire.connect('ann', { transports: [transport], upgrade: false })
  expect(lacking(connectionOf(ann.server()))).toBeUndefined()
  expect(wire.log.filter(({ message }) => message.startsWith(WARNING))).toEqual([])
})

it('the installed ws shows its stream', async () => {
  await using wire = await startWire({ rows })
  const ann = await wire.connect('ann')
  const stream = streamOf(connectionOf(ann.server()))
  expect(stream?.writable).toBe(true)
})

it('the installed engine.io says when a packet comes, and how many connections there are', async () => {
  await using wire = await startWire({ rows })
  const ann = await wire.connect('ann')
  await wire.connect('bob')
  let packets = 0
  connectionOf(ann.server()).on('packet', function (this: Connection) {
    if (this === connectionOf(ann.server())) packets++
  })
  await ann.ask('typing:stop', { convId: 'c' })
  expect(packets).toBe(1)
  expect(connectionCountOf(wire.io)).toBe(2)
  expect(connectionCountOf(new Server())).toBe(0)
})

it('names everything that is missing', () => {
  expect(lacking({} as Connection)).toBe(
    'readyState, writeBuffer, write, transport.writable, transport.prependOnceListener',
  )
})

it('where a part is missing, clients are told by public calls, and one line of the log says so', async () => {
  await using wire = await startWire({
    rows,
    before: (io) => {
      io.use(({ conn }, next) => {
        // As in a version whose transports are no event emitters of Node.
        Object.assign(conn.transport, { prependOnceListener: undefined })
        next()
      })
    },
  })
  const ann = await wire.connect('ann')
  const bob = await wire.connect('bob')
  await ann.until('bob 1 in c')
  await bob.ask('typing:start', { convId: 'c' })
  await ann.until('bob types in c')
  await bob.drop()
  await ann.until('bob 0 in c')
  expect(wire.log.filter(({ message }) => message.startsWith(WARNING))).toEqual([
    expect.objectContaining({ level: 'warn', fields: { parts: 'transport.prependOnceListener' } }),
  ])
})
