/** Connections of an attacker, down to TCP, and what is written to them by hand. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export const POLLING = '/socket.io/?EIO=4&transport=polling'
export const WEBSOCKET = '/socket.io/?EIO=4&transport=websocket'

export type Stage = 'tcp' | 'websocket' | 'session' | 'ended'

/** One TCP connection of an attacker. What the server answers is kept to a last piece. */
export interface Line {
  readonly tcp: Socket
  stage: Stage
  /** WebSocket with compression was agreed on. */
  isDeflating: boolean
  /** Resolves once the server has ended it. */
  readonly ended: Promise<void>
  write(bytes: Buffer | string): void
  /** Writes `make()` each `everyMs` until the connection has ended. */
  trickle(everyMs: number, make: () => Buffer | string): void
  /** Whether the text came within a second. */
  comes(part: string): Promise<boolean>
  /** What came lately, as text. */
  text(): string
}

const COMES_TIMEOUT_MS = 1_000
const KEPT_CHARACTERS = 4_000

/** A connection that reads until it is paused. It never fails: what becomes of it is seen on the server. */
export function openLine(port: number): Line {
  const tcp = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const waiting = new Set<() => void>()
  const timers = new Set<NodeJS.Timeout>()
  let text = ''
  const look = () => {
    for (const each of [...waiting]) each()
  }
  tcp.on('data', (data: Buffer) => {
    text = (text + data.toString('latin1', Math.max(0, data.length - KEPT_CHARACTERS))).slice(
      -KEPT_CHARACTERS,
    )
    look()
  })
  tcp.on('error', () => {})
  // The server's end of it is over; what trickles may still be written.
  tcp.on('end', () => {
    line.stage = 'ended'
    look()
  })
  tcp.on('close', () => {
    line.stage = 'ended'
    for (const timer of timers) clearInterval(timer)
    look()
  })
  const line: Line = {
    tcp,
    ended: new Promise((resolve) => tcp.once('end', resolve).once('close', () => resolve())),
    stage: 'tcp',
    isDeflating: false,
    text: () => text,
    write(bytes) {
      if (tcp.writable) tcp.write(bytes)
    },
    trickle(everyMs, make) {
      timers.add(setInterval(() => line.write(make()), everyMs))
    },
    comes: (part) =>
      new Promise((resolve) => {
        const settle = () => {
          const hasCome = text.includes(part)
          if (!hasCome && line.stage !== 'ended') return
          waiting.delete(settle)
          clearTimeout(timer)
          resolve(hasCome)
        }
        const timer = setTimeout(() => {
          waiting.delete(settle)
          resolve(false)
        }, COMES_TIMEOUT_MS)
        waiting.add(settle)
        settle()
      }),
  }
  return line
}

/** A frame as RFC 6455, section 5.2, or in one way not as it says. */
export interface FrameParts {
  /** 1: text. */
  readonly opcode?: number
  readonly isFinal?: boolean
  /** 4: RSV1, which says "compressed"; 2 and 1: RSV2 and RSV3. */
  readonly reserved?: number
  readonly isMasked?: boolean
  /** The length that the header says, if it is not the payload's. */
  readonly announced?: number
}

export function frame(payload: string | Buffer, parts: FrameParts = {}): Buffer {
  const { opcode = 1, isFinal = true, reserved = 0, isMasked = true } = parts
  const data = Buffer.from(payload)
  const length = parts.announced ?? data.length
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  const maskBit = isMasked ? 0x80 : 0
  let header: Buffer
  if (length < 126) header = Buffer.from([first, maskBit | length])
  else if (length < 65_536) header = Buffer.from([first, maskBit | 126, length >> 8, length & 0xff])
  else {
    header = Buffer.alloc(10)
    header[0] = first
    header[1] = maskBit | 127
    header.writeBigUInt64BE(BigInt(length), 2)
  }
  if (!isMasked) return Buffer.concat([header, data])
  const mask = randomBytes(4)
  for (let i = 0; i < data.length; i++) data[i] = data[i]! ^ mask[i % 4]!
  return Buffer.concat([header, mask, data])
}

export interface RequestParts {
  readonly method?: string
  readonly headers?: readonly string[]
  readonly body?: string
  /** Instead of the body's own length. */
  readonly announced?: number | string
}

/** A request of HTTP as it goes over the wire. */
export function request(path: string, parts: RequestParts = {}): string {
  const { method = 'GET', headers = [], body } = parts
  const length = parts.announced ?? (body === undefined ? undefined : Buffer.byteLength(body))
  return [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    ...headers,
    ...(length === undefined ? [] : ['Content-Type: text/plain;charset=UTF-8', `Content-Length: ${length}`]),
    '',
    body ?? '',
  ].join('\r\n')
}

/** Without a context on the server's side ws leaves short frames as they are: an attacker can read that it was let in. */
export const DEFLATE =
  'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits'

/** The request that asks for a WebSocket. */
export function upgrade(path: string, extra: readonly string[] = []): string {
  const headers = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...extra,
  ]
  return request(path, { headers })
}
