/**
 * Watches a host from a process of its own, so that neither the host's stalls nor those of the test blur what it sees:
 * how long the host takes to answer HTTP, and how long until what one client does is told to another.
 * `hostile-host.ts` starts it. It prints one line per slow answer, and its report when it is told to stop.
 */
import { Agent, get } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { io } from 'socket.io-client'

/** What the watcher is told at its start, as JSON in `HOSTILE_WATCHER`. */
export interface WatcherOptions {
  readonly url: string
  readonly conversation: string
  /** Two members of the conversation, with their tokens: what the first types, the second hears. */
  readonly typist: { readonly userId: string; readonly token: string }
  readonly reader: { readonly userId: string; readonly token: string }
}

export interface WatchReport {
  /** How long answers to HTTP took, in milliseconds. */
  readonly http: Latencies
  /** How long it took until typing, or its end, was told. */
  readonly echo: Latencies
  /** Connections of the two clients that ended. */
  readonly ends: readonly string[]
  /** How late this process's own loop was at most: what it measured is not better than that. */
  readonly ownLagMs: number
}

export interface Latencies {
  readonly count: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly mostMs: number
}

const ASK_EACH_MS = 20
/** Under the ten messages of each name in a second that a session may send. */
const ECHO_EACH_MS = 130
/** An echo that has not come after this long never comes. */
const ECHO_TIMEOUT_MS = 15_000
const HTTP_TIMEOUT_MS = 15_000

const { url, conversation, typist, reader } = JSON.parse(
  process.env.HOSTILE_WATCHER ?? '{}',
) as WatcherOptions
const lag = monitorEventLoopDelay({ resolution: 10 })
const agent = new Agent({ keepAlive: true })
const asked: number[] = []
const echoed: number[] = []
const ends: string[] = []
let isOver = false

const [typing, reading] = [connect(typist.token), connect(reader.token)]
await Promise.all([typing, reading].map((socket) => new Promise<void>((done) => socket.on('connect', done))))
console.log('watching')
lag.enable()
createInterface({ input: process.stdin }).once('line', () => {
  isOver = true
})
await Promise.all([askAgain(), echoAgain()])
const report: WatchReport = {
  http: latencies(asked),
  echo: latencies(echoed),
  ends,
  ownLagMs: Math.round(lag.max / 1e6),
}
console.log(`report ${JSON.stringify(report)}`)
process.exit()

function connect(token: string) {
  const socket = io(url, { auth: { token }, transports: ['websocket'], forceNew: true })
  socket.on('disconnect', (reason) => ends.push(reason))
  return socket
}

async function askAgain(): Promise<void> {
  while (!isOver) {
    asked.push(await timed('HTTP', ask()))
    await sleep(ASK_EACH_MS)
  }
}

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/here`, { agent, timeout: HTTP_TIMEOUT_MS }, (response) => {
      response.resume().on('end', resolve)
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
  })
}

async function echoAgain(): Promise<void> {
  for (let isTyping = true; !isOver; isTyping = !isTyping) {
    const name = isTyping ? 'typing:start' : 'typing:stop'
    const told = new Promise<void>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        reading.off(name, hear)
      }
      const hear = (payload: { convId: string; userId: string }) => {
        if (payload.convId !== conversation || payload.userId !== typist.userId) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error('no echo'))
      }, ECHO_TIMEOUT_MS)
      reading.on(name, hear)
    })
    typing.emit(name, { convId: conversation })
    echoed.push(await timed('echo', told))
    await sleep(ECHO_EACH_MS)
  }
}

/** What fails counts as having taken as long as it did. */
async function timed(what: string, happens: Promise<void>): Promise<number> {
  const start = performance.now()
  let end = ''
  try {
    await happens
  } catch (error) {
    end = ` (${String(error)})`
  }
  const took = performance.now() - start
  if (took > 500)
    console.log(`slow ${what} ${Math.round(took)} ms, since ${Date.now() - Math.round(took)}${end}`)
  return took
}

function latencies(all: readonly number[]): Latencies {
  const sorted = [...all].sort((one, other) => one - other)
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? -1)
  return { count: sorted.length, medianMs: at(0.5), p99Ms: at(0.99), mostMs: at(1) }
}
