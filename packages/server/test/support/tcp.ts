/** A WebSocket client down to its TCP socket: it can stop reading, half-close, reset. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { token } from './wire.js'

export interface TcpClient extends Disposable {
  readonly tcp: Socket
  /** Everything that came so far, as text. */
  readonly text: () => string
  /** A masked text frame. */
  send(text: string): void
  /** Resolves once the text that came holds `part`. */
  until(part: string): Promise<void>
}

/** A masked, final text frame (RFC 6455, section 5.2), or one with another first byte. */
export function clientFrame(text: string, firstByte = 0x81): Buffer {
  const payload = Buffer.from(text)
  const mask = randomBytes(4)
  const header =
    payload.length < 126
      ? Buffer.from([firstByte, 0x80 | payload.length])
      : Buffer.from([firstByte, 0x80 | 126, payload.length >> 8, payload.length & 0xff])
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0)
  return Buffer.concat([header, mask, payload])
}

/** The request that asks for a WebSocket. */
export function upgradeRequest(path = '/socket.io/?EIO=4&transport=websocket'): string {
  return [
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    '\r\n',
  ].join('\r\n')
}

/** Resolves once the TCP connection stands, before anything is sent. */
export async function connectTcp(port: number): Promise<TcpClient> {
  const tcp = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  const waiting = new Set<() => void>()
  tcp.on('data', (data: Buffer) => {
    text += data.toString('latin1')
    for (const look of [...waiting]) look()
  })
  // What the server does to the connection is seen on the server.
  tcp.on('error', () => {})
  await once(tcp, 'connect')
  return {
    tcp,
    text: () => text,
    send(frame) {
      tcp.write(clientFrame(frame))
    },
    until: (part) =>
      new Promise((resolve) => {
        const look = () => {
          if (!text.includes(part)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    [Symbol.dispose]() {
      tcp.destroy()
    },
  }
}

/** A session of the user over a WebSocket, once it has its first snapshot. */
export async function openTcpSession(port: number, userId: string): Promise<TcpClient> {
  const client = await connectTcp(port)
  client.tcp.write(upgradeRequest())
  await client.until('"sid"')
  client.send(`40${JSON.stringify({ token: token(userId) })}`)
  await client.until('presence:devices')
  return client
}

/** One frame that the server sent: opcode 1 is text, 8 is close. */
export interface ServerFrame {
  readonly opcode: number
  readonly text: string
}

/** Opcode of a close frame (RFC 6455, section 5.5.1). */
export const CLOSE = 8

/** The whole frames among everything that came, as {@link TcpClient.text} has it. */
export function serverFrames(text: string): ServerFrame[] {
  const bytes = Buffer.from(text, 'latin1')
  const frames: ServerFrame[] = []
  const head = text.indexOf('\r\n\r\n')
  let at = head < 0 ? bytes.length : head + 4
  while (at + 2 <= bytes.length) {
    const short = bytes.readUInt8(at + 1)
    const header = short < 126 ? 2 : short === 126 ? 4 : 10
    if (at + header > bytes.length) break
    const length =
      header === 2 ? short : header === 4 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6)
    const end = at + header + length
    if (end > bytes.length) break
    frames.push({ opcode: bytes.readUInt8(at) & 0x0f, text: bytes.toString('utf8', at + header, end) })
    at = end
  }
  return frames
}
