/**
 * Encodes events: as packets of Socket.IO, or as finished WebSocket frames.
 *
 * An event is encoded once for all its recipients: the engine hands out the same object for the same fact and drops it
 * soon, and what was encoded goes with it. A host's custom parser keeps working: unless the server's encoder writes the
 * text of Socket.IO's own one, everything goes through the server's encoder.
 */
import type { Server } from 'socket.io'
import type { PresenceEvent } from '../core/index.js'
import { cut, FRAME_MAX_BYTES } from './frames.js'

export interface Encode {
  /** Whether an event is one text packet, which can be framed here. A custom parser may send binary. */
  readonly isText: boolean
  packets(event: PresenceEvent, namespace: string): Packets
  frames(events: readonly PresenceEvent[], namespace: string): Buffer
}

type Packets = readonly (string | Buffer)[]

/** Socket.IO's packet types; `EVENT` is the one that presence sends. */
const EVENT = 2

export function createEncode(server: Server): Encode {
  const encode = (namespace: string, data: unknown[]): Packets =>
    server.encoder.encode({ type: EVENT, nsp: namespace, data }) as Packets
  const packets = memoByNamespace((event, namespace) => encode(namespace, [event.name, event.payload]))
  const isText = ['/', '/probe'].every((namespace) => {
    const [packet, ...rest] = encode(namespace, ['probe', [1]])
    return packet === `${headOf(namespace, 'probe')}[1]]` && rest.length === 0
  })
  const toFrame = (event: PresenceEvent, namespace: string) =>
    // `4` is engine.io's message type, the first character of each of its text frames.
    textFrame(`4${headOf(namespace, event.name)}`, JSON.stringify(event.payload), ']')
  const shared = memoByNamespace(toFrame)
  /** All recipients of a state or diff follow each other, so the last frame is enough. */
  let last: { readonly event: PresenceEvent; readonly namespace: string; readonly frame: Buffer } | undefined
  const frame = (event: PresenceEvent, namespace: string) => {
    if (event.name !== 'presence:state' && event.name !== 'presence:diff') return shared(event, namespace)
    if (last?.event !== event || last.namespace !== namespace)
      last = { event, namespace, frame: toFrame(event, namespace) }
    return last.frame
  }
  /** Nearly every event fits into one frame: it is encoded whole first, and cut only if it turns out too large. */
  const whole = (event: PresenceEvent, namespace: string) => {
    const made = frame(event, namespace)
    if (made.length <= FRAME_MAX_BYTES) return made
    return Buffer.concat(cut(event).map((part) => toFrame(part, namespace)))
  }
  return {
    isText,
    packets(event, namespace) {
      const whole = packets(event, namespace)
      const size = whole.reduce((sum, { length }) => sum + length, 0)
      return size <= FRAME_MAX_BYTES ? whole : cut(event).flatMap((part) => packets(part, namespace))
    },
    frames(events, namespace) {
      const [only] = events
      return only && events.length === 1
        ? whole(only, namespace)
        : Buffer.concat(events.map((event) => whole(event, namespace)))
    },
  }
}

/** As Socket.IO's own encoder writes an event without an acknowledgement; the payload and a bracket follow. */
function headOf(namespace: string, name: string): string {
  return `${EVENT}${namespace === '/' ? '' : `${namespace},`}["${name}",`
}

function memoByNamespace<Value>(make: (event: PresenceEvent, namespace: string) => Value) {
  const byNamespace = new Map<string, WeakMap<PresenceEvent, Value>>()
  return (event: PresenceEvent, namespace: string): Value => {
    const made = byNamespace.get(namespace) ?? new WeakMap<PresenceEvent, Value>()
    byNamespace.set(namespace, made)
    let value = made.get(event)
    if (value === undefined) {
      value = make(event, namespace)
      made.set(event, value)
    }
    return value
  }
}

/**
 * One unmasked, final text frame (RFC 6455, section 5.2). Its text comes in parts: joining a large one first would copy
 * it once more.
 */
export function textFrame(...parts: readonly string[]): Buffer {
  let length = 0
  for (const part of parts) length += Buffer.byteLength(part)
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = 0x81
  if (headerLength === 2) frame[1] = length
  else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  let offset = headerLength
  for (const part of parts) offset += frame.write(part, offset)
  return frame
}
