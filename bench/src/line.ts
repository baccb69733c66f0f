/**
 * A WebSocket client with nothing to spare: ten thousand of them must not cost more than the server that they
 * measure. It speaks what Engine.IO needs (text frames, close), and trusts its server to keep to the protocol.
 */
import { connect } from 'node:net'

export interface LineListener {
  open(): void
  /** One text frame, and when the data that holds it was read (milliseconds, `performance.now()`). */
  text(text: string, bytes: number, readAt: number): void
  /** The connection has ended, however it did; nothing follows. */
  ended(): void
}

export interface Line {
  send(text: string): void
  /** Sends a last text and says goodbye. */
  sendAndClose(text: string): void
  /** Ends it as a dead network would: the server learns it by a reset, and is told nothing. */
  cut(): void
}

const OPCODE_TEXT = 1
const OPCODE_CLOSE = 8
const OPCODE_PING = 9
const HEAD_END = '\r\n\r\n'
const EMPTY: Buffer = Buffer.alloc(0)

/** Opens `ws://127.0.0.1:port/path`. */
export function openLine(port: number, path: string, listener: LineListener): Line {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let isUpgraded = false
  let rest = EMPTY

  socket.once('connect', () => {
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
  })
  socket.on('data', (chunk: Buffer) => {
    const readAt = performance.now()
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!isUpgraded) {
      const end = data.indexOf(HEAD_END)
      rest = data
      if (end < 0) return
      if (!data.toString('latin1', 0, 12).endsWith(' 101')) {
        socket.resetAndDestroy()
        return
      }
      isUpgraded = true
      data = data.subarray(end + HEAD_END.length)
      listener.open()
    }
    rest = data.subarray(readFrames(data, readAt))
  })
  // Why it ended makes no difference to who tries again; `close` follows.
  socket.on('error', () => {})
  socket.once('close', () => {
    listener.ended()
  })

  /** Returns where the first frame begins that is not whole yet. */
  function readFrames(data: Buffer, readAt: number): number {
    let at = 0
    while (data.length - at >= 2) {
      const opcode = (data[at] ?? 0) & 0x0f
      let length = (data[at + 1] ?? 0) & 0x7f
      let head = 2
      if (length === 126) {
        if (data.length - at < 4) return at
        length = data.readUInt16BE(at + 2)
        head = 4
      } else if (length === 127) {
        if (data.length - at < 10) return at
        length = Number(data.readBigUInt64BE(at + 2))
        head = 10
      }
      const end = at + head + length
      if (end > data.length) return at
      // Ids of the benchmark are ASCII, and latin1 is the cheapest to decode.
      if (opcode === OPCODE_TEXT)
        listener.text(data.toString('latin1', at + head, end), head + length, readAt)
      else if (opcode === OPCODE_CLOSE) socket.end()
      else if (opcode === OPCODE_PING) throw new Error('Engine.IO does not ping by WebSocket frames.')
      at = end
    }
    return at
  }

  return {
    send(text) {
      if (socket.writable) socket.write(frame(OPCODE_TEXT, text))
    },
    sendAndClose(text) {
      if (socket.writable) socket.end(Buffer.concat([frame(OPCODE_TEXT, text), frame(OPCODE_CLOSE, '')]))
    },
    cut() {
      socket.resetAndDestroy()
    },
  }
}

/** Masked with zeros, which leaves the text as it is. */
function frame(opcode: number, text: string): Buffer {
  const length = Buffer.byteLength(text)
  const head = length < 126 ? 6 : 8
  const made = Buffer.alloc(head + length)
  made[0] = 0x80 | opcode
  if (length < 126) made[1] = 0x80 | length
  else {
    made[1] = 0x80 | 126
    made.writeUInt16BE(length, 2)
  }
  made.write(text, head)
  return made
}
