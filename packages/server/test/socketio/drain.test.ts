import { expect, it } from 'vitest'
import { startWire, token } from '../support/wire.js'

it('after a drain stock clients are back on the next server by themselves, each with a whole picture', async () => {
  const rows = { conversations: [['c', ['ann', 'bob']]] } as const
  const first = await startWire({ rows })
  const options = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 }
  const ann = await first.connect('ann', options)
  const bob = await first.connect('bob', { ...options, transports: ['polling', 'websocket'] })
  await ann.until('bob 1 in c')
  await first.io.close()
  await ann.until(({ ends }) => ends.length === 1)
  await bob.until(({ ends }) => ends.length === 1)
  ann.hear()
  bob.hear()
  await using next = await startWire({ rows, port: first.port })
  await ann.until('bob 1 in c')
  await bob.until('ann 1 in c')
  expect([ann.connections, bob.connections]).toEqual([2, 2])
  expect(next.presence.getMany(['ann', 'bob'])).toEqual(
    new Map([
      ['ann', { online: true, count: 1 }],
      ['bob', { online: true, count: 1 }],
    ]),
  )
  ann.socket.disconnect()
  bob.socket.disconnect()
  await first.close()
})

it('a drain is a loss, not a leave: nobody is offline at once on the server that goes', async () => {
  await using wire = await startWire({ presence: { graceMs: 0, reattachGraceMs: 60_000 } })
  await wire.connect('ann', { auth: { token: token('ann') } })
  await wire.io.close()
  expect(wire.presence.get('ann')).toEqual({ online: true, count: 1 })
})
