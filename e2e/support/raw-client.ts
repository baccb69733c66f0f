/** Clients down to their TCP connection, for what libraries of other languages do when a connection ends. */
import { connect, type Socket } from 'node:net'
import { CLOSE, clientFrame, serverFrames, upgradeRequest } from '../../packages/server/test/support/tcp.js'

const PONG = '3'

/**
 * What the client does at a WebSocket close frame.
 *
 * - `stopsReading`: it answers, and waits for the end of the line without reading, as OkHttp (Java, Kotlin, Android)
 *   does. It would notice that end some 20 s later; here it never does.
 * - `saysNothing`: as OkHttp where its library does not answer, which socket.io-client-java does not.
 * - `staysAway`: a close frame is a wish to stay away, as for the C++ client.
 * - `comesBack`: it comes back at once, as for Rust's asynchronous client, which has no back-off.
 */
export type AtCloseFrame = 'stopsReading' | 'saysNothing' | 'staysAway' | 'comesBack'

export interface RawClientOptions {
  readonly url: string
  /** Asked at each attempt: the newest token. */
  readonly token: () => string
  readonly atCloseFrame: AtCloseFrame
  /** How long after the end of its line it comes back. Milliseconds. */
  readonly returnMs: number
}

/** A client that comes back whenever its line ends. Disposing ends it. */
export interface RawClient extends Disposable {
  /** WebSockets that it opened. */
  readonly attempts: number
  /** Times that it was let in. */
  readonly sessions: number
  /** Close frames that it was sent. */
  readonly closeFrames: number
  /** Resolves with the time (as of `performance.now()`) at which it was let in for the `count`-th time. */
  letIn(count: number): Promise<number>
  /** Resolves with the time at which the line that is open now has ended. */
  readonly lineEnd: Promise<number>
}

/** Starts a client; it goes on until it is disposed. */
export function startRawClient({ url, token, atCloseFrame, returnMs }: RawClientOptions): RawClient {
  const { port, hostname } = new URL(url)
  const letInAt: number[] = []
  const waiting = new Map<number, (at: number) => void>()
  let attempts = 0
  let closeFrames = 0
  let isOver = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let line: Socket
  let lineEnd: Promise<number>
  start()

  function start(): void {
    attempts++
    const tcp = connect({ port: Number(port), host: hostname })
    line = tcp
    lineEnd = new Promise((resolve) => tcp.once('close', () => resolve(performance.now())))
    let text = ''
    let seen = 0
    // Refused, or reset: `close` follows.
    tcp.on('error', () => {})
    tcp.once('connect', () => tcp.write(upgradeRequest()))
    tcp.on('data', (data: Buffer) => {
      text += data.toString('latin1')
      const frames = serverFrames(text)
      for (const { opcode, text: frame } of frames.slice(seen)) {
        if (opcode === CLOSE) onCloseFrame(tcp)
        else onFrame(tcp, frame)
      }
      seen = frames.length
    })
    tcp.once('close', () => {
      if (!isOver) timer = setTimeout(start, returnMs)
    })
  }

  function onFrame(tcp: Socket, frame: string): void {
    if (frame.startsWith('0{')) tcp.write(clientFrame(`40${JSON.stringify({ token: token() })}`))
    else if (frame === '2') tcp.write(clientFrame(PONG))
    else if (frame.startsWith('40')) {
      const at = performance.now()
      letInAt.push(at)
      waiting.get(letInAt.length)?.(at)
    }
  }

  function onCloseFrame(tcp: Socket): void {
    closeFrames++
    switch (atCloseFrame) {
      case 'stopsReading':
        tcp.write(clientFrame('', 0x80 | CLOSE))
        tcp.pause()
        return
      case 'saysNothing':
        tcp.pause()
        return
      case 'staysAway':
        isOver = true
        tcp.end(clientFrame('', 0x80 | CLOSE))
        return
      case 'comesBack':
        tcp.end(clientFrame('', 0x80 | CLOSE))
    }
  }

  return {
    get attempts() {
      return attempts
    },
    get sessions() {
      return letInAt.length
    },
    get closeFrames() {
      return closeFrames
    },
    letIn: (count) =>
      new Promise((resolve) => {
        const at = letInAt[count - 1]
        if (at === undefined) waiting.set(count, resolve)
        else resolve(at)
      }),
    get lineEnd() {
      return lineEnd
    },
    [Symbol.dispose]: () => {
      isOver = true
      clearTimeout(timer)
      line.destroy()
    },
  }
}
