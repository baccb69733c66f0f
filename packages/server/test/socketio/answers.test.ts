import { expect, it } from 'vitest'
import { startWire } from '../support/wire.js'

it('a message is heard but not answered while 64 packets wait for whoever sent it', async () => {
  await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob']]] } })
  const ann = await wire.connect('ann')
  const bob = await wire.connect('bob')
  await ann.until('bob 1 in c')
  const connection = bob.server().conn as unknown as { writeBuffer: unknown[] }
  connection.writeBuffer = Array.from({ length: 64 }, () => ({ type: 'noop', options: {} }))
  const answers: unknown[] = []
  bob.socket.emit('typing:start', { convId: 'c' }, (answer: unknown) => answers.push(answer))
  await ann.until('bob types in c')
  connection.writeBuffer = []
  expect(await bob.ask('typing:stop', { convId: 'c' })).toEqual({ ok: true })
  expect(answers).toEqual([])
})
