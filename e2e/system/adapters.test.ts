import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from 'redis'
import { freshDatabase, type TestDatabase } from '../../test/database.js'
import {
  gather,
  namesOf,
  startHosts,
  to,
  toTarget,
  until,
  type Host,
  type Hosts,
  type People,
  type Person,
} from '../support/adapter-hosts.js'
import { startRedis, type RedisServer } from '../support/redis.js'

/** Each adapter that Socket.IO publishes and that starts here, by the name that `adapter-host.js` has for it. */
const ADAPTERS = [
  ['memory', "Socket.IO's own, in one process"],
  ['redis', '@socket.io/redis-adapter, createAdapter'],
  ['sharded-static', '@socket.io/redis-adapter, createShardedAdapter, static'],
  ['sharded-dynamic', '@socket.io/redis-adapter, createShardedAdapter, dynamic'],
  ['sharded-dynamic-private', '@socket.io/redis-adapter, createShardedAdapter, dynamic-private'],
  ['streams', '@socket.io/redis-streams-adapter'],
  ['cluster', '@socket.io/cluster-adapter'],
  ['postgres', '@socket.io/postgres-adapter'],
] as const

let redis: RedisServer
let database: TestDatabase

beforeAll(async () => {
  redis = await startRedis()
  database = await freshDatabase()
  // As its documentation says.
  await database.sql`
    CREATE TABLE socket_io_attachments (
      id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea
    )`
})

afterAll(async () => {
  await redis[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

let casts = 0

/**
 * Ann, Bob and Cid are in the conversation, Cid on both back ends; Dan and Eve are not. Names are of this test alone, so
 * that tests do not hear each other.
 */
async function castOf(hosts: Hosts) {
  const number = ++casts
  const conversation = `plan-${number}`
  const room = `conv:${conversation}`
  const people: People = gather()
  const row = async (action: 'addRow' | 'removeRow', user: string, name = conversation) => {
    await Promise.all(hosts.all.map((host) => host.do(action, { conversation: name, user })))
  }
  const join = (host: Host, name: string) => people.join(host, `${name}-${number}`)
  for (const name of ['ann', 'bob', 'cid']) await row('addRow', `${name}-${number}`)
  const ann = await join(hosts.first, 'ann')
  const bob = await join(hosts.second, 'bob')
  const cid = await join(hosts.first, 'cid')
  const cidAgain = await join(hosts.second, 'cid')
  const dan = await join(hosts.second, 'dan')
  const eve = await join(hosts.first, 'eve')
  const members = [ann, bob, cid, cidAgain]
  for (const host of hosts.all) await people.settle(host, to(room), members)
  return {
    ...{ ann, bob, cid, cidAgain, dan, eve },
    ...{ number, room, members, people, row },
    [Symbol.asyncDispose]: () => people[Symbol.asyncDispose](),
  }
}

const usersIn = async (host: Host, rooms: readonly string[], local = false) => {
  const found = (await host.do('sockets', { target: { rooms, local } })) as {
    user: string
    rooms: string[]
  }[]
  return found.map(({ user }) => user).sort()
}

describe.each(ADAPTERS)('rooms of rows on the adapter %s (%s)', (adapter) => {
  let hosts: Hosts

  beforeAll(async () => {
    hosts = await startHosts(adapter, { REDIS_SOCKET: redis.socketPath, POSTGRES_URL: database.url })
  })
  afterAll(async () => {
    await hosts[Symbol.asyncDispose]()
  })

  it("a host's message reaches exactly the members, on every host", async () => {
    await using cast = await castOf(hosts)
    const { people, room, members, ann, bob, cid, cidAgain, dan, eve } = cast
    for (const host of hosts.all) {
      expect(await people.reached(host, to(room), members)).toEqual(namesOf(members))
      const own = `user:${dan.name}`
      expect(await people.reached(host, to(own), [dan])).toEqual([dan.name])
      // Each once, whoever is in several of them.
      expect(await people.reached(host, to(room, own, `user:${ann.name}`), [...members, dan])).toEqual(
        namesOf([...members, dan]),
      )
      const except = toTarget({ rooms: [room, own], except: [`user:${cid.name}`] })
      expect(await people.reached(host, except, [ann, bob, dan])).toEqual(namesOf([ann, bob, dan]))
      const others = toTarget({ rooms: [own, `user:${eve.name}`], except: [room] })
      expect(await people.reached(host, others, [dan, eve])).toEqual(namesOf([dan, eve]))
      const here = members.filter((member) => member.host === host)
      expect(await people.reached(host, toTarget({ rooms: [room], local: true }), here)).toEqual(
        namesOf(here),
      )
      expect(await people.reached(host, to('conv:none'), [])).toEqual([])
    }
    const fromAnn = (host: Host, text: string) =>
      host.do('emitFrom', { user: ann.name, target: { rooms: [room] }, text })
    expect(await people.reached(hosts.first, fromAnn, [bob, cid, cidAgain])).toEqual(
      namesOf([bob, cid, cidAgain]),
    )
    const answers = (await hosts.second.do('ask', { target: { rooms: [room] }, text: 'who?' })) as string[]
    expect(answers.sort()).toEqual(members.map(({ name }) => `${name}: who?`).sort())
  })

  it('a message follows the rows: who is added, who is removed, the first and the last of a host', async () => {
    await using cast = await castOf(hosts)
    const { people, room, row, ann, bob, cid, cidAgain, dan, eve } = cast
    const expectReached = async (name: string, expected: readonly Person[]) => {
      for (const host of hosts.all) {
        // Both back ends read their rows by themselves.
        await until(`members of ${name}`, async () => {
          const known = await Promise.all(hosts.all.map((each) => usersIn(each, [name], true)))
          return known.flat().sort().join() === namesOf(expected).join()
        })
        await people.settle(host, to(name), expected)
        expect(await people.reached(host, to(name), expected)).toEqual(namesOf(expected))
      }
    }
    await row('removeRow', bob.name)
    await row('addRow', dan.name)
    await expectReached(room, [ann, cid, cidAgain, dan])
    await row('removeRow', cid.name)
    await row('removeRow', dan.name)
    // Nobody is left on the second host.
    await expectReached(room, [ann])
    await row('removeRow', ann.name)
    await expectReached(room, [])
    await row('addRow', bob.name)
    await row('addRow', eve.name)
    await expectReached(room, [bob, eve])
    // Rows in a room that nobody has heard of: the first on one host, then on the other.
    const other = `walk-${cast.number}`
    await row('addRow', ann.name, other)
    await expectReached(`conv:${other}`, [ann])
    await row('addRow', dan.name, other)
    await expectReached(`conv:${other}`, [ann, dan])
    await row('removeRow', ann.name, other)
    await expectReached(`conv:${other}`, [dan])
  })

  it('`fetchSockets`, `socketsJoin` and `socketsLeave` find the members on every host', async () => {
    await using cast = await castOf(hosts)
    const { people, room, members, ann, bob, cid, cidAgain, dan, number } = cast
    for (const host of hosts.all) {
      expect(await usersIn(host, [room])).toEqual(namesOf(members))
      expect(await usersIn(host, [room], true)).toEqual(
        namesOf(members.filter((member) => member.host === host)),
      )
    }
    const found = (await hosts.first.do('sockets', { target: { rooms: [`user:${bob.name}`] } })) as unknown[]
    expect(found).toEqual([{ user: bob.name, rooms: [room, `user:${bob.name}`] }])

    const lobby = `lobby-${number}`
    await hosts.first.do('join', { target: { rooms: [room], except: [`user:${ann.name}`] }, names: [lobby] })
    await people.settle(hosts.second, to(lobby), [bob, cid, cidAgain])
    expect(await people.reached(hosts.second, to(lobby), [bob, cid, cidAgain])).toEqual(
      namesOf([bob, cid, cidAgain]),
    )
    // The rows say who is in the conversation: to leave it changes nothing there.
    await hosts.second.do('leave', { target: { rooms: [room] }, names: [lobby, room] })
    await until('that they have left', async () => (await usersIn(hosts.first, [lobby])).length === 0)
    expect(await people.reached(hosts.first, to(lobby), [])).toEqual([])
    expect(await people.reached(hosts.first, to(room), members)).toEqual(namesOf(members))
    // Who joins it without a row is in it until it leaves.
    await hosts.first.do('join', { target: { rooms: [`user:${dan.name}`] }, names: [room] })
    await people.settle(hosts.first, to(room), [...members, dan])
    await hosts.first.do('leave', { target: { rooms: [`user:${dan.name}`] }, names: [room] })
    await until(
      'that he has left',
      async () => (await usersIn(hosts.first, [room])).length === members.length,
    )
    expect(await people.reached(hosts.first, to(room), members)).toEqual(namesOf(members))
  })

  it('`disconnectSockets` ends the members on every host', async () => {
    await using cast = await castOf(hosts)
    const { room, members, dan, eve } = cast
    await hosts.first.do('disconnect', { target: { rooms: [room] } })
    await until('their end', async () => members.every(({ socket }) => !socket.connected))
    expect([dan, eve].map(({ socket }) => socket.connected)).toEqual([true, true])
    for (const host of hosts.all) expect(await usersIn(host, [room])).toEqual([])
  })

  // Socket.IO's own adapter has nobody to emit to.
  if (adapter !== 'memory') {
    it('`serverSideEmit` reaches the other host, and its answer comes back', async () => {
      const number = ++casts
      expect(await hosts.first.do('call', { text: `call ${number}` })).toEqual([`heard call ${number}`])
      await hosts.second.do('tell', { text: `told ${number}` })
      await until('the call', async () =>
        ((await hosts.first.do('calls')) as string[]).includes(`told ${number}`),
      )
    })
  }
})

it.each(ADAPTERS)(
  'on the adapter %s (%s) `presence.close` leaves nobody in rooms of rows',
  async (adapter) => {
    await using hosts = await startHosts(adapter, {
      REDIS_SOCKET: redis.socketPath,
      POSTGRES_URL: database.url,
    })
    await using cast = await castOf(hosts)
    const { people, room, members } = cast
    await hosts.first.do('closePresence')
    const left = members.filter(({ host }) => host !== hosts.first)
    for (const host of hosts.all) {
      expect(await people.reached(host, to(room), left)).toEqual(namesOf(left))
      expect(await usersIn(host, [room])).toEqual(namesOf(left))
    }
  },
)

it.each(['sharded-dynamic', 'sharded-dynamic-private'] as const)(
  'the adapter %s is subscribed to the channels of rooms with a member here, and to no others',
  async (adapter) => {
    await using hosts = await startHosts(adapter, { REDIS_SOCKET: redis.socketPath })
    await using cast = await castOf(hosts)
    const client = await createClient({ socket: { path: redis.socketPath, tls: false } }).connect()
    const isSubscribed = async () => {
      const channels = await client.sendCommand(['PUBSUB', 'SHARDCHANNELS', `*#${cast.room}#`])
      return (channels as unknown as string[]).length > 0
    }
    try {
      expect(await isSubscribed()).toBe(true)
      for (const { name } of [cast.ann, cast.bob, cast.cid]) await cast.row('removeRow', name)
      await until('the end of the subscription', async () => !(await isSubscribed()))
      await cast.row('addRow', cast.eve.name)
      await until('the subscription', isSubscribed)
      cast.eve.socket.disconnect()
      await until('the end of the subscription', async () => !(await isSubscribed()))
    } finally {
      client.destroy()
    }
  },
)

it('the table of adapters in docs/rooms.md names these, in the versions that run here', () => {
  const table = readFileSync(new URL('../../docs/rooms.md', import.meta.url), 'utf8')
  for (const [, described] of ADAPTERS) {
    const [, name] = /^(@\S+?)(?:,|$)/u.exec(described) ?? []
    if (name === undefined) continue
    const { version } = JSON.parse(
      readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8'),
    ) as { version: string }
    expect(table).toContain(`| \`${name}\` ${version}`)
  }
})
