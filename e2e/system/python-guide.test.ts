/** The Python client of docs/guides/other-languages.md, run as it stands there. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { Server } from 'socket.io'
import { beforeAll, describe, expect, test } from 'vitest'
import { freshDatabase } from '../../test/database.js'
import { connectClient } from '../support/clients.js'
import {
  countOvertaken,
  installPythonGuide,
  startPythonGuide,
  type PythonEvent,
  type PythonGuide,
  type PythonGuideOptions,
} from '../support/python.js'
import { freshSecret, serve, signToken } from '../support/serve.js'

const INSTALL_TIMEOUT_MS = 300_000
const SLOW_MS = 120_000
/** 40 members; more than the 16 packets that the library takes in one answer of polling by itself. */
const MEMBERS = Array.from({ length: 40 }, (_, index) => `user-${index}`)
const [PYTHON = '', WATCHER = '', TYPIST = '', LATE = ''] = MEMBERS
const PRESENT = MEMBERS.filter((userId) => userId !== LATE)
/** Long enough for a start on a busy machine, and short enough to wait for. */
const TOKEN_LIFE_S = 8
const ROOM = 'plan'

beforeAll(installPythonGuide, INSTALL_TIMEOUT_MS)

const WAYS = [
  ['async', 'websocket'],
  ['async', 'polling'],
  ['sync', 'websocket'],
  ['sync', 'polling'],
] as const

// All at once: they wait most of the time, for tokens that end.
test.concurrent.for(WAYS)(
  'the guide’s Python client, %s, over %s alone, has the whole picture of a room of 40, through renewals of its token and another server on the same port',
  { timeout: SLOW_MS },
  async ([kind, transport]) => {
    await using room = await openRoom()
    await using first = await serve({ env: room.env })
    await room.fill()
    await using python = await room.startPython({ kind, transport, url: first.url })
    using others = connectOthers(first.url, room.secret)
    const { watcher, typist } = others
    await watcher.until('Python is online', ({ picture }) => picture.member(ROOM, PYTHON)?.online === true)
    await python.waitFor('picture', shows(PRESENT))

    await typist.ask('typing:start', { convId: ROOM })
    await python.waitFor('picture', (data) => typistsIn(data).includes(TYPIST))
    await typist.ask('typing:stop', { convId: ROOM })
    python.emit('typing:start', { convId: ROOM })
    expect((await python.waitFor('ack')).data).toEqual({ ok: true })
    await watcher.until('Python types', ({ picture }) => picture.typists(ROOM).includes(PYTHON))

    // Its token ends twice, and nobody hears that it would be gone.
    const heard = watcher.events.length
    const tokens = named(python, 'token').length
    await python.waitFor('token', () => named(python, 'token').length >= tokens + 2)
    await python.waitFor('picture', shows(PRESENT), lastOf(python, 'token'))
    expect(watcher.events.slice(heard).filter(({ payload }) => isLossOf(PYTHON, payload))).toEqual([])

    const { length: before } = python.events
    await first.process.kill('SIGTERM')
    await python.waitFor('unknown', () => true, before)
    const ended = lastOf(python, 'unknown')
    await using second = await serve({ env: { ...room.env, PORT: new URL(first.url).port } })
    expect([second.url, second.process.pid === first.process.pid]).toEqual([first.url, false])
    await python.waitFor('picture', shows(PRESENT), ended)
    await watcher.until('Python is back', ({ picture }) => picture.member(ROOM, PYTHON)?.online === true)
    using _late = connectClient(second.url, signToken(room.secret, LATE))
    await python.waitFor('picture', shows(MEMBERS), ended)
    expect(named(python, 'ended')).toEqual([])
  },
)

describe.for(WAYS)(
  'the guide’s Python client, %s, over %s alone',
  { timeout: SLOW_MS },
  ([kind, transport]) => {
    test('is offline at once when it leaves, and its program ends', async () => {
      await using room = await openRoom()
      // Whoever is seen offline here has left: waiting for the grace would take ten minutes.
      const env = { ...room.env, VIGIE_GRACE_MS: '600000', VIGIE_REATTACH_GRACE_MS: '600000' }
      await using server = await serve({ env })
      await room.fill()
      using watcher = connectClient(server.url, signToken(room.secret, WATCHER))
      await using python = await room.startPython({ kind, transport, url: server.url, tokenLifeS: 600 })
      await watcher.until('Python is online', ({ picture }) => picture.member(ROOM, PYTHON)?.online === true)
      await python.waitFor('picture')
      python.leave()
      expect((await python.waitFor('ended')).data).toBe('left')
      expect(await python.process.ended).toBe(0)
      await watcher.until(
        'Python is offline',
        ({ picture }) => picture.member(ROOM, PYTHON)?.online === false,
      )
    })

    test('stays away when its token is refused for good, and says why', async () => {
      await using room = await openRoom()
      await using server = await serve({ env: { ...room.env, VIGIE_JWT_SECRET: freshSecret() } })
      await using python = await room.startPython({ kind, transport, url: server.url })
      expect((await python.waitFor('ended')).data).toBe('token_invalid')
      expect(await python.process.ended).toBe(0)
      expect(named(python, 'token')).toHaveLength(1)
    })
  },
)

test.for(['websocket', 'polling'] as const)(
  'the guide’s synchronous Python client takes events in their order over %s, which the library alone does not',
  { timeout: SLOW_MS },
  async (transport) => {
    const http = createServer()
    const server = new Server(http)
    server.on('connection', (socket) => {
      for (let n = 0; n < 3_000; n++) socket.emit('number', { n })
    })
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    try {
      expect(await countOvertaken(url, transport, 'kept')).toBe(0)
      expect(await countOvertaken(url, transport, 'stock')).toBeGreaterThan(0)
    } finally {
      await server.close()
    }
  },
)

/** A database, and a secret, of one test's own. */
async function openRoom() {
  const database = await freshDatabase()
  const secret = freshSecret()
  const env = {
    DATABASE_URL: database.url,
    VIGIE_JWT_SECRET: secret,
    VIGIE_TOKEN_CLOCK_TOLERANCE_MS: '0',
  }
  return {
    env,
    secret,
    /** The server has made the tables. */
    fill: async () => {
      const { sql } = database
      await sql`INSERT INTO group_users (group_id, user_id) SELECT 'team', unnest(string_to_array(${MEMBERS.join(',')}, ','))`
      await sql`INSERT INTO conversation_users (conversation_id, user_id) SELECT ${ROOM}, unnest(string_to_array(${MEMBERS.join(',')}, ','))`
    },
    startPython: (
      options: Pick<PythonGuideOptions, 'kind' | 'transport' | 'url'> & { tokenLifeS?: number },
    ) => startPythonGuide({ secret, userId: PYTHON, tokenLifeS: TOKEN_LIFE_S, ...options }),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

/** Stock clients of all members but Python and whoever comes late. */
function connectOthers(url: string, secret: string) {
  const clients = new Map(
    PRESENT.filter((userId) => userId !== PYTHON).map((userId) => [
      userId,
      connectClient(url, signToken(secret, userId)),
    ]),
  )
  return {
    watcher: clients.get(WATCHER)!,
    typist: clients.get(TYPIST)!,
    [Symbol.dispose]: () => {
      for (const client of clients.values()) client[Symbol.dispose]()
    },
  }
}

interface Shown {
  readonly users: Readonly<Record<string, number>>
  readonly rooms: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly typists: Readonly<Record<string, readonly string[]>>
}

/** Whether exactly these are online, in the group as in the conversation, each with one device. */
function shows(online: readonly string[]) {
  const wanted = Object.fromEntries(online.map((userId) => [userId, 1]))
  return (data: unknown) => {
    const { users, rooms } = data as Shown
    return isDeepStrictEqual(users, wanted) && isDeepStrictEqual(rooms[ROOM], wanted)
  }
}

function typistsIn(data: unknown): readonly string[] {
  return (data as Shown).typists[ROOM] ?? []
}

function isLossOf(userId: string, payload: unknown): boolean {
  const { userId: about, online } = payload as { userId?: string; online?: boolean }
  return about === userId && online === false
}

function named(python: PythonGuide, name: string): readonly PythonEvent[] {
  return python.events.filter(({ event }) => event === name)
}

/** How many events there were up to the last of that name. */
function lastOf(python: PythonGuide, name: string): number {
  return python.events.findLastIndex(({ event }) => event === name) + 1
}
