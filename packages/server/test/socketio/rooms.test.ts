import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import type { Socket } from 'socket.io'
import { expect, it } from 'vitest'
import type { RoomName } from '../../src/core/index.js'
import { createRoomKeeper } from '../../src/socketio/rooms.js'

const PREFIXES = { user: 'user:', group: 'group:', conversation: 'conv:' }
const ANN = 'ann' as UserId

/** As much of a socket as rooms are about; `asked` is what was asked of Socket.IO. */
function fakeSocket({ rooms = [] as string[], recovered = false } = {}) {
  const joined = new Set(rooms)
  const asked: string[] = []
  const socket = {
    recovered,
    rooms: joined,
    nsp: { adapter: { rooms: new Map<string, unknown>() } },
    join(names: string[]) {
      asked.push(`join ${names.join(' ')}`)
      for (const name of names) joined.add(name)
    },
    leave(name: string) {
      asked.push(`leave ${name}`)
      joined.delete(name)
    },
  }
  return { socket: socket as unknown as Socket, asked, rooms: () => [...joined].sort() }
}

const inConversations = (...ids: string[]): readonly RoomName[] => [
  { kind: 'group', id: 'g' as GroupId },
  ...ids.map((id): RoomName => ({ kind: 'conversation', id: id as ConversationId })),
]

it('asks Socket.IO for nothing while the rows are the same', async () => {
  const { keep } = createRoomKeeper(PREFIXES)
  const { socket, asked } = fakeSocket()
  await keep(socket, ANN, inConversations('a', 'b'))
  await keep(socket, ANN, inConversations('a', 'b'))
  await keep(socket, ANN, inConversations('b', 'a'))
  expect(asked).toEqual(['join user:ann group:g conv:a conv:b'])
})

it('asks only for the difference', async () => {
  const { keep } = createRoomKeeper(PREFIXES)
  const { socket, asked, rooms } = fakeSocket()
  await keep(socket, ANN, inConversations('a', 'b'))
  await keep(socket, ANN, inConversations('b', 'c'))
  await keep(socket, ANN, inConversations('c'))
  expect(asked.slice(1)).toEqual(['join conv:c', 'leave conv:a', 'leave conv:b'])
  expect(rooms()).toEqual(['conv:c', 'group:g', 'user:ann'])
})

it('leaves alone what the host joined before a row said so', async () => {
  const { keep } = createRoomKeeper(PREFIXES)
  const { socket, rooms } = fakeSocket({ rooms: ['conv:a', 'lobby'] })
  await keep(socket, ANN, inConversations('a', 'b'))
  await keep(socket, ANN, inConversations())
  expect(rooms()).toEqual(['conv:a', 'group:g', 'lobby', 'user:ann'])
})

it('takes over what the host has left meanwhile', async () => {
  const { keep } = createRoomKeeper(PREFIXES)
  const { socket, rooms } = fakeSocket({ rooms: ['conv:a'] })
  await keep(socket, ANN, inConversations('a'))
  await socket.leave('conv:a')
  await keep(socket, ANN, inConversations('a'))
  expect(rooms()).toContain('conv:a')
  await keep(socket, ANN, inConversations())
  expect(rooms()).not.toContain('conv:a')
})

it('leaves what a recovered connection brought back and rows no longer name, but not what the host joins later', async () => {
  const { keep } = createRoomKeeper(PREFIXES)
  const { socket, rooms } = fakeSocket({ rooms: ['user:ann', 'group:g', 'conv:a', 'lobby'], recovered: true })
  await keep(socket, ANN, inConversations('a'))
  await socket.join(['conv:host'])
  await keep(socket, ANN, inConversations('b'))
  expect(rooms()).toEqual(['conv:b', 'conv:host', 'group:g', 'lobby', 'user:ann'])
})

it('joins nothing where rooms are off', async () => {
  const { keep } = createRoomKeeper(undefined)
  const { socket, asked } = fakeSocket()
  await keep(socket, ANN, inConversations('a'))
  expect(asked).toEqual([])
})
