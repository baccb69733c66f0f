/**
 * What is used of Socket.IO's adapter beyond its documentation, and the look at what is really there. One file, so that
 * an upgrade that changes these parts is noticed here; `rooms.test.ts` and `e2e/system/adapters.test.ts` fail then.
 */
import type { Namespace } from 'socket.io'

export type Adapter = Namespace['adapter']

/** An adapter emits these when sockets join and leave. Socket.IO's sharded Redis adapter subscribes to channels by them. */
const ROOM_EVENTS = ['create-room', 'delete-room', 'join-room', 'leave-room'] as const
const JOINING_METHODS = ['addAll', 'del', 'delAll'] as const
/** What Socket.IO asks an adapter to do with the sockets of rooms, with the place of the target among the arguments. */
export const TARGETED = [
  ['broadcast', 1],
  ['broadcastWithAck', 1],
  ['fetchSockets', 0],
  ['addSockets', 0],
  ['delSockets', 0],
  ['disconnectSockets', 0],
] as const
const METHODS = [
  ...JOINING_METHODS,
  'socketRooms',
  'persistSession',
  ...TARGETED.map(([name]) => name),
] as const
const MAPS = ['rooms', 'sids'] as const

export function adapterName(adapter: Adapter): string {
  return adapter.constructor.name
}

/** Why there can be no rooms on this adapter: a sentence for the operator; undefined: they can be provided. */
export function whatIsMissing(adapter: Adapter): string | undefined {
  const parts: Partial<Record<string, unknown>> = { ...pick(adapter, MAPS), ...pick(adapter, METHODS) }
  const missing = [
    ...MAPS.filter((name) => !(parts[name] instanceof Map)).map((name) => `no map \`${name}\``),
    ...METHODS.filter((name) => typeof parts[name] !== 'function').map((name) => `no method \`${name}\``),
  ]
  if (missing.length === 0) return undefined
  return (
    `The adapter \`${adapterName(adapter)}\` has ${missing.join(' and ')}, so messages to rooms such as ` +
    '`conv:7` could not reach their members. Use an adapter that extends the one of `socket.io-adapter`, or set ' +
    '`rooms: false` and join the sockets yourself.'
  )
}

/**
 * Why sockets must join the rooms of their rows, as the end of a sentence about the adapter: it learns of rooms when
 * sockets join. Undefined: it looks into its map of rooms when it sends.
 */
export function whyItJoins(adapter: Adapter): string | undefined {
  if (ROOM_EVENTS.some((name) => adapter.listenerCount(name) > 0)) return 'has listeners for joins'
  const own = JOINING_METHODS.find((name) => ownersOf(adapter, name).length > 1)
  if (own !== undefined) return `has a method \`${own}\` of its own`
  if (subscribesWhoJoins(adapter)) return 'subscribes connections to a topic when they join (uWebSockets.js)'
  return undefined
}

/** The objects on the prototype chain that bring the method. The last one is Socket.IO's own class. */
function ownersOf(adapter: Adapter, method: (typeof METHODS)[number]): readonly object[] {
  const owners: object[] = []
  for (let owner: unknown = adapter; owner; owner = Object.getPrototypeOf(owner)) {
    if (Object.hasOwn(owner, method)) owners.push(owner)
  }
  return owners
}

/**
 * `io.attachApp` exchanges `addAll` of Socket.IO's own class for one that subscribes a connection to topics of
 * uWebSockets.js. Nothing else tells that it did, so a made-up socket joins a room of a made-up namespace.
 */
function subscribesWhoJoins(adapter: Adapter): boolean {
  let isSubscribed = false
  const websocket = {
    subscribe() {
      isSubscribed = true
    },
  }
  const socket = { conn: { transport: { name: 'websocket', socket: websocket } } }
  const sockets = new Map([['probe', socket]])
  const nsp = { name: 'probe', sockets, _preConnectSockets: sockets }
  const standIn = { rooms: new Map(), sids: new Map(), nsp, emit: () => false }
  const socketIo = ownersOf(adapter, 'addAll').at(-1) as { addAll(id: string, rooms: Set<string>): unknown }
  try {
    socketIo.addAll.call(standIn, 'probe', new Set(['probe']))
  } catch {
    // A method that needs more than this is none that was tried: to join is right for any.
    return true
  }
  return isSubscribed
}

function pick<Key extends keyof Adapter>(adapter: Adapter, keys: readonly Key[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, adapter[key]]))
}

/**
 * Puts `value` in the place of the adapter's own property. The function that is returned puts back what was there,
 * unless somebody else has put something in front of `value` meanwhile: then `value` stays, and must do nothing of
 * its own any more.
 */
export function exchange<Key extends keyof Adapter>(
  adapter: Adapter,
  key: Key,
  value: Adapter[Key],
): () => void {
  const before = Object.getOwnPropertyDescriptor(adapter, key)
  adapter[key] = value
  return () => {
    if (adapter[key] !== value) return
    if (before) Object.defineProperty(adapter, key, before)
    else Reflect.deleteProperty(adapter, key)
  }
}
