import type { PresenceDiff, PresenceState } from '@vigie/protocol'
import type { PresenceEvent } from '../../packages/server/src/core/index.js'
import { emptyPicture, fold, type Picture } from '../../packages/server/src/testing/picture.js'
import { emptySynced, foldDiff, foldState, pictureOf } from '../../packages/server/src/testing/synced.js'
import { io, type Socket } from 'socket.io-client'
import type { Random } from './random.js'
import type { HostileHost } from './hostile-host.js'
import { signToken } from './serve.js'

/** Sixteen people; four of them have a second device. */
const PEOPLE = 16
const SECOND_DEVICES = 4
/** Every third client speaks protocol 2. */
const PROTOCOL_2_EACH = 3

export const ATTACKERS = ['mal-0', 'mal-1', 'mal-2', 'mal-3', 'mal-4'] as const
export const WATCHERS = ['eye-typist', 'eye-reader'] as const
export const ECHO = 'c-echo'
const people = Array.from({ length: PEOPLE }, (_, index) => `ord-${index}`)

/** Conversations among ordinary people, with attackers, and the one of the watchers. */
const conversations: readonly (readonly [string, readonly string[]])[] = [
  ['c-mixed-0', [...people.slice(0, 8), 'mal-0', 'mal-1', 'mal-2']],
  ['c-mixed-1', [...people.slice(6, 14), 'mal-2', 'mal-3', 'mal-4']],
  ['c-own-0', people.slice(0, 5)],
  ['c-own-1', people.slice(4, 12)],
  ['c-own-2', people.slice(10)],
  ['c-mal', ATTACKERS],
  [ECHO, WATCHERS],
]

/** Everybody sees everybody in `g-all`: the news of attackers goes to all ordinary clients, and the other way round. */
export const world = {
  groups: [
    ['g-all', [...people, ...ATTACKERS, ...WATCHERS]],
    ['g-own', people],
  ] as const,
  conversations,
}

/** The conversations whose rows change meanwhile. */
const CHANGING = ['c-mixed-0', 'c-mixed-1', 'c-own-0', 'c-own-1', 'c-own-2'] as const
export type PersonAction =
  | { readonly do: 'type' | 'stop'; readonly client: number; readonly room: string }
  | { readonly do: 'reconnect'; readonly client: number }
  | { readonly do: 'row'; readonly room: string; readonly userId: string }

/** Something that ordinary people, or those who look after their rows, do. */
export function ordinaryAction(random: Random): PersonAction {
  const client = random.below(PEOPLE + SECOND_DEVICES)
  const room = random.of(CHANGING)
  const dice = random.below(10)
  if (dice < 6) return { do: dice < 4 ? 'type' : 'stop', client, room }
  if (dice < 8) return { do: 'reconnect', client }
  return { do: 'row', room, userId: random.of([...people, ...ATTACKERS]) }
}

/** The twenty ordinary clients. */
export interface OrdinaryPeople extends Disposable {
  /** Does it, if it can be done now. */
  perform(action: PersonAction): Promise<void>
  /** From now on nobody types. */
  stopTyping(): void
  /** Pictures that are not the truth now, in words; attackers are taken for offline. */
  wrong(): readonly string[]
  /** Ends of connections that nobody had meant, in words. */
  readonly lost: readonly string[]
}

interface OrdinaryClient {
  readonly userId: string
  readonly socket: Socket
  picture(): Picture
  /** Its line is about to end on purpose. */
  expectsEnd: boolean
}

export function connectOrdinaryPeople(host: HostileHost, secret: string): OrdinaryPeople {
  const lost: string[] = []
  const members = new Map(world.conversations.map(([id, userIds]) => [id, new Set<string>(userIds)]))
  const clients = Array.from({ length: PEOPLE + SECOND_DEVICES }, (_, index) => {
    const userId = people[index % PEOPLE]!
    const isSecond = index >= PEOPLE
    // A stock client need not name its device.
    const auth = isSecond || index < SECOND_DEVICES ? { deviceId: isSecond ? 'second' : 'first' } : {}
    return connect(userId, {
      ...auth,
      token: signToken(secret, userId),
      ...(index % PROTOCOL_2_EACH === 0 && { protocol: 2, clientId: `run-${index}` }),
    })
  })

  function connect(userId: string, auth: Readonly<Record<string, unknown>>): OrdinaryClient {
    const socket = io(host.url, {
      forceNew: true,
      transports: ['websocket'],
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      auth,
    })
    const synced = emptySynced()
    let told = emptyPicture()
    const client: OrdinaryClient = {
      userId,
      socket,
      picture: () => (auth.protocol === 2 ? pictureOf(synced) : told),
      expectsEnd: false,
    }
    socket.on('connect', () => {
      told = emptyPicture()
    })
    socket.on('connect_error', (error) => lost.push(`${userId} was not let in: ${error.message}`))
    socket.on('disconnect', (reason) => {
      if (!client.expectsEnd) lost.push(`${userId} lost its connection: ${reason}`)
      client.expectsEnd = false
    })
    socket.onAny((name: string, payload: unknown) => {
      if (name === 'presence:state') foldState(synced, payload as PresenceState)
      else if (name === 'presence:diff') foldDiff(synced, payload as PresenceDiff)
      else if (auth.protocol !== 2) fold(told, { name, payload } as PresenceEvent)
    })
    return client
  }

  /** What each client should show: by user or conversation, who is online on how many devices. */
  function truth(userId: string): Readonly<Record<string, Readonly<Record<string, number>>>> {
    const online = (of: Iterable<string>) =>
      sortedObject(
        [...of].flatMap((member): [string, number][] => {
          if (WATCHERS.some((watcher) => watcher === member)) return [[member, 1]]
          const count = clients.filter((client) => client.userId === member).length
          return count === 0 ? [] : [[member, count]]
        }),
      )
    const rooms = [...members].filter(([, of]) => of.has(userId)).map(([id, of]) => [id, online(of)] as const)
    return { users: online(world.groups[0][1]), ...sortedObject(rooms) }
  }

  return {
    lost,
    async perform(action) {
      if (action.do === 'row') {
        const of = members.get(action.room)!
        const isMember = !of.has(action.userId)
        if (isMember) of.add(action.userId)
        else of.delete(action.userId)
        await host.setRow(action.room, action.userId, isMember)
        return
      }
      const client = clients[action.client]!
      if (!client.socket.connected) return
      if (action.do === 'reconnect') {
        client.expectsEnd = true
        // The engine's own close: Socket.IO's `disconnect()` would send a packet that means "leave".
        client.socket.io.engine.close()
      } else client.socket.emit(`typing:${action.do === 'type' ? 'start' : 'stop'}`, { convId: action.room })
    },
    stopTyping() {
      for (const { socket } of clients) {
        for (const convId of CHANGING) if (socket.connected) socket.emit('typing:stop', { convId })
      }
    },
    wrong: () =>
      clients.flatMap((client, index) => {
        const [seen, real] = [shown(client.picture()), JSON.stringify(truth(client.userId))]
        return seen === real ? [] : [`Client ${index} (${client.userId}) shows ${seen} instead of ${real}.`]
      }),
    [Symbol.dispose]() {
      for (const client of clients) {
        client.expectsEnd = true
        client.socket.disconnect()
      }
    },
  }
}

/** The same form as the truth has. Nobody types in the end: whoever seems to is shown, and is a difference. */
function shown({ users, conversations, typing }: Picture): string {
  const rooms = [...conversations]
    .filter(([, of]) => of.size > 0)
    .map(([id, of]) => [id, sortedObject(of)] as const)
  const typists = [...typing]
    .filter(([, of]) => of.size > 0)
    .map(([id, of]) => [`typing in ${id}`, [...of]] as const)
  return JSON.stringify({
    users: sortedObject(users),
    ...sortedObject(rooms),
    ...Object.fromEntries(typists),
  })
}

/** By UTF-16 units: the order must not depend on a locale. */
function sortedObject<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  return Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0)))
}
