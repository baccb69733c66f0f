import { expect, it } from 'vitest'
import { startWire, token } from '../support/wire.js'

const ANN = 'aaaaaaaa-0000-4000-8000-00000000000a'
const BEN = 'bbbbbbbb-0000-4000-8000-00000000000b'
const CID = 'cccccccc-0000-4000-8000-00000000000c'
const PLAN = 'dddddddd-0000-4000-8000-00000000000d'
const ALL = 'eeeeeeee-0000-4000-8000-00000000000e'
const loud = (id: string) => id.toUpperCase()

/** A store that knows ids in small letters only, as a `uuid` column of PostgreSQL does. */
const start = () =>
  startWire({
    rows: { conversations: [[PLAN, [ANN, BEN]]], groups: [[ALL, [ANN, BEN, CID]]] },
    presence: { namesMax: 2 },
    wrap: (rows) => ({ ...rows, spelling: (_kind, id) => id.toLowerCase() }),
  })

it('a token whose user id is in capitals is the same user: they see and are seen, and may renew with either', async () => {
  await using wire = await start()
  const ann = await wire.connect(ANN)
  const ben = await wire.connect(loud(BEN))
  await ann.until((client) =>
    client.told.some(([, what]) => JSON.stringify(what).includes(`"${BEN}","online":true`)),
  )
  expect(ben.told.some(([, what]) => JSON.stringify(what).includes(ANN))).toBe(true)
  expect((ben.server().data as { userId?: string }).userId).toBe(BEN)
  for (const id of [BEN, loud(BEN)])
    expect(await ben.ask('presence:token', { token: token(id) })).toEqual({ ok: true })
  expect(await ben.ask('presence:token', { token: token(ANN) })).toMatchObject({ ok: false })
  expect(JSON.stringify([...ann.told, ...ben.told])).not.toContain(loud(BEN))
})

it('conversations and watched people are found in capitals, and others hear the spelling of the rows', async () => {
  await using wire = await start()
  const ann = await wire.connect(ANN)
  const ben = await wire.connect(BEN)
  await wire.connect(CID)
  expect(await ben.ask('typing:start', { convId: loud(PLAN) })).toEqual({ ok: true })
  await ann.until((client) => client.told.some(([name]) => name === 'typing:start'))
  expect(ann.told.find(([name]) => name === 'typing:start')?.[1]).toEqual({ convId: PLAN, userId: BEN })
  expect(await ben.ask('typing:stop', { convId: loud(PLAN) })).toEqual({ ok: true })
  // The group has no names.
  const watcher = wire.client(ANN, { auth: { protocol: 2 } })
  await watcher.until((client) => client.told.some(([name]) => name === 'presence:state'))
  expect(await watcher.ask('presence:watch', { add: [loud(CID)] })).toEqual({ ok: true })
  await watcher.until((client) =>
    client.told.some(([, what]) => JSON.stringify(what).includes(`["${CID}",1]`)),
  )
})

it('the host may ask, act and send by either spelling', async () => {
  await using wire = await start()
  const { presence, io } = wire
  const ann = await wire.connect(ANN)
  const ben = await wire.connect(BEN)
  expect(presence.get(loud(ANN))).toEqual({ online: true, count: 1 })
  expect([...presence.getMany([loud(ANN), BEN])]).toEqual([
    [loud(ANN), { online: true, count: 1 }],
    [BEN, { online: true, count: 1 }],
  ])
  expect(presence.online(loud(PLAN)).sort()).toEqual([ANN, BEN])
  const said = new Promise((resolve) => ann.socket.once('message', resolve))
  io.to(`conv:${loud(PLAN)}`).emit('message', 'hello')
  expect(await said).toBe('hello')
  await ben.ask('typing:start', { convId: PLAN })
  presence.stopTyping(loud(BEN), loud(PLAN))
  await ann.until((client) => client.told.some(([name]) => name === 'typing:stop'))
  presence.kick(loud(BEN))
  await wire.until('Ben is offline', () => !presence.get(BEN).online)
})
