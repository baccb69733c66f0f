/**
 * One HTTP request or WebSocket at a time, each on a connection of its own, with every header as it came: `fetch` would
 * keep connections, join headers and undo compression, and these are what is looked for.
 */
import { randomBytes } from 'node:crypto'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Answer {
  readonly status: number
  /** The values of a header, one for each time that it was sent. */
  header(name: string): readonly string[]
  /** As it came: still compressed. */
  readonly body: Buffer
  /** Of this end of the connection. */
  readonly localPort: number | undefined
}

export interface Ask {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
}

/** @throws Error when there is no whole answer in time. */
export async function ask(url: URL, { method = 'GET', headers = {}, body, timeoutMs }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }) },
      // On a connection of its own: a balancer may send each to another server.
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
    })
    // Not once: a line may break a second time, and nobody would catch that.
    asked.on('error', reject)
    asked.once('response', (response) => {
      const head = headOf(response)
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.once('end', () => resolve({ ...head, body: Buffer.concat(parts) }))
    })
    asked.end(body)
  })
}

export interface Socket {
  /** The text of the next frame; undefined: the line has ended, or `withinMs` has passed. */
  next(withinMs: number): Promise<string | undefined>
  readonly hasEnded: boolean
  end(): void
}

/**
 * Asks for a WebSocket. What came instead, if there is none.
 * @throws Error when there is no answer in time.
 */
export async function openSocket(
  url: URL,
  { headers = {}, timeoutMs }: Ask,
): Promise<{ socket: Socket } | { answer: Answer }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    const asked = request(url, {
      headers: {
        ...headers,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      },
      agent: false,
    })
    asked.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    asked.once('upgrade', (_response, stream, head) => {
      clearTimeout(timer)
      resolve({ socket: socketOn(stream, head) })
    })
    asked.once('response', (response) => {
      clearTimeout(timer)
      const head = headOf(response)
      response.resume()
      response.on('error', reject)
      response.once('end', () => resolve({ answer: { ...head, body: Buffer.alloc(0) } }))
    })
    asked.end()
  })
}

function request(url: URL, options: RequestOptions) {
  if (url.protocol !== 'https:') return httpRequest(url, options)
  // A header `Host` of our own would be taken for the name in the certificate.
  return httpsRequest(url, {
    servername: isIP(url.hostname.replace(/^\[|\]$/gu, '')) === 0 ? url.hostname : '',
    ...options,
  })
}

/** To be asked before the answer has ended: then it has lost its connection. */
function headOf({ statusCode = 0, rawHeaders, socket }: IncomingMessage): Omit<Answer, 'body'> {
  return {
    status: statusCode,
    localPort: socket.localPort,
    header: (name) =>
      rawHeaders.flatMap((key, place) =>
        place % 2 === 0 && key.toLowerCase() === name ? (rawHeaders[place + 1] ?? []) : [],
      ),
  }
}

/** Frames of a server are not masked, and those that are looked for are short texts. */
function socketOn(stream: Duplex, head: Buffer): Socket {
  const texts: string[] = []
  let bytes = head
  let hasEnded = false
  let wake: (() => void) | undefined

  function read(): void {
    for (let frame = frameOf(bytes); frame; frame = frameOf(bytes)) {
      texts.push(frame.text)
      bytes = bytes.subarray(frame.length)
    }
  }
  read()
  stream.on('data', (part: Buffer) => {
    bytes = Buffer.concat([bytes, part])
    read()
    wake?.()
  })
  // An error is an end, too, and `close` follows it.
  stream.on('error', () => {})
  for (const name of ['end', 'close']) {
    stream.once(name, () => {
      hasEnded = true
      wake?.()
    })
  }

  return {
    get hasEnded() {
      return hasEnded
    },
    async next(withinMs) {
      if (texts.length === 0 && !hasEnded) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, withinMs)
          wake = () => {
            if (texts.length === 0 && !hasEnded) return
            clearTimeout(timer)
            resolve()
          }
        })
        wake = undefined
      }
      return texts.shift()
    },
    end() {
      stream.destroy()
    },
  }
}

const LENGTH_OF_TWO_BYTES = 126
const LENGTH_OF_EIGHT_BYTES = 127

function frameOf(bytes: Buffer): { text: string; length: number } | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes.readUInt8(1) & 0x7f
  const start = short === LENGTH_OF_EIGHT_BYTES ? 10 : short === LENGTH_OF_TWO_BYTES ? 4 : 2
  if (bytes.length < start) return undefined
  const size = start === 10 ? Number(bytes.readBigUInt64BE(2)) : start === 4 ? bytes.readUInt16BE(2) : short
  const length = start + size
  return bytes.length < length ? undefined : { text: bytes.toString('utf8', start, length), length }
}
