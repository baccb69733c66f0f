import { WebSocket } from 'ws'

/** An engine.io connection without a Socket.IO client: for what no stock client would send. */
export interface RawConnection extends Disposable {
  /** Every frame that came, as text. */
  readonly frames: readonly string[]
  readonly isClosed: boolean
  send(frame: string | Buffer): void
  /** Resolves once the frames that came, or the end, make it true. */
  until(isMet: (raw: RawConnection) => boolean): Promise<void>
}

/** Resolves once the connection is open, before any CONNECT packet. It answers pings. */
export async function connectRaw(
  url: string,
  path = '/socket.io/?EIO=4&transport=websocket',
): Promise<RawConnection> {
  const socket = new WebSocket(url.replace('http', 'ws') + path)
  const frames: string[] = []
  const waiting = new Set<() => void>()
  let isClosed = false
  const look = () => {
    for (const each of [...waiting]) each()
  }
  const raw: RawConnection = {
    frames,
    get isClosed() {
      return isClosed
    },
    send: (frame) => {
      socket.send(frame)
    },
    until: (isMet) =>
      new Promise((resolve) => {
        const check = () => {
          if (!isMet(raw)) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
    [Symbol.dispose]: () => {
      socket.terminate()
    },
  }
  socket.on('message', (data: Buffer) => {
    const frame = data.toString()
    if (frame === '2') socket.send('3')
    else frames.push(frame)
    look()
  })
  socket.on('error', look)
  socket.on('close', () => {
    isClosed = true
    look()
  })
  await raw.until(({ frames: [first], isClosed: ended }) => first?.startsWith('0') === true || ended)
  return raw
}
