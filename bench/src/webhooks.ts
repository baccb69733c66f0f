/**
 * How many webhooks a second one endpoint is sent: `node bench/dist/webhooks.js [--events N] [--rtt MS] [--concurrency N]`.
 * Each event is a user who comes online, written to the audit trail before the sender starts. The receiver is a process of
 * its own that answers 204 at once, behind a line that takes so long there and back; opening a connection takes one such
 * time more, as a TCP handshake does. It fails when the receiver saw another number of requests than there were events.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { postgresTrail, startWebhooks, type Webhooks } from '@vigie/server/postgres'
import postgres from 'postgres'
import type { Fact, TrailRow } from '../../packages/server/dist/trail/facts.js'
import { rowOf } from '../../packages/server/dist/trail/rows.js'
import { dayOf } from '../../packages/server/dist/trail/days.js'
import { openDatabase } from './database.js'

const ENDPOINT = 'bench'
const BATCH_ROWS = 500
const LOOK_MS = 20

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000' },
    rtt: { type: 'string', default: '0' },
    concurrency: { type: 'string', default: '8' },
    /** Tells this file, started as a process, to receive. */
    receiver: { type: 'boolean', default: false },
  },
})
const events = Number(values.events)
const rttMs = Number(values.rtt)

if (values.receiver) await receive()
else await measure()

async function measure(): Promise<void> {
  await using database = await openDatabase()
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  const receiver = spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), '--receiver', '--rtt', values.rtt],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  try {
    const [line] = (await once(receiver.stdout, 'data')) as [Buffer]
    const start = () =>
      startWebhooks({
        sql: database.url,
        endpoints: [
          {
            name: ENDPOINT,
            url: `http://127.0.0.1:${Number(String(line))}/`,
            secret: `whsec_${randomBytes(32).toString('base64')}`,
          },
        ],
        concurrency: Number(values.concurrency),
        allowPrivate: true,
      })
    // An endpoint hears of what happens from its first start on.
    const first = start()
    while ((await sql`SELECT FROM vigie.webhook_endpoints`).length === 0) await sleep(LOOK_MS)
    await first.close()
    await write(database.url)
    const second = start()
    await report(second)
    await second.close()
    receiver.stdin.end()
    const [seen] = (await once(receiver.stdout, 'data')) as [Buffer]
    process.stdout.write(`The receiver: ${String(seen)}`)
    if (Number.parseInt(String(seen), 10) !== events) throw new Error(`Requests are not ${events}.`)
  } finally {
    receiver.kill()
    await sql.end()
  }
}

async function report(webhooks: Webhooks): Promise<void> {
  const cpu = process.cpuUsage()
  const from = performance.now()
  while (webhooks.counts().delivered < events) await sleep(LOOK_MS)
  const seconds = (performance.now() - from) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const cpuMs = (user + system) / 1_000
  process.stdout.write(
    `${events} events in ${seconds.toFixed(1)} s: ${Math.round(events / seconds)} a second, ` +
      `${(cpuMs / events).toFixed(2)} ms of processor time each; ${rttMs} ms there and back.\n`,
  )
}

async function write(url: string): Promise<void> {
  const store = postgresTrail({ sql: url, node: 'bench' })
  const boot = '00000000-0000-4000-8000-000000000001'
  const at = Date.now()
  await store.makeDays([dayOf(at)])
  let batch: TrailRow[] = []
  let head: TrailRow | undefined
  for (let position = 1; position <= events + 1; position++) {
    const fact = position === 1 ? { kind: 'start', detail: { node: 'bench' } } : online(position)
    head = rowOf({ fact: fact as Fact, position, at }, boot, head?.hash)
    batch.push(head)
    if (batch.length < BATCH_ROWS && position <= events) continue
    await store.write(batch)
    batch = []
  }
  await store.close()
}

function online(user: number) {
  return {
    kind: 'session',
    state: 'live',
    reason: 'connected',
    userId: `user-${user}`,
    sessionId: `session-${user}`,
    device: `device-${user}`,
  }
}

/** Says its port, and at the end of its input how many requests and connections there were. */
async function receive(): Promise<void> {
  let requests = 0
  let connections = 0
  const http = createHttpServer((request, response) => {
    requests++
    request.resume().on('end', () => response.writeHead(204).end())
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const line = createServer((near) => {
    connections++
    const far = connect(portOf(http), '127.0.0.1')
    forward(near, far, rttMs)
    forward(far, near, 0)
  }).listen(0, '127.0.0.1')
  await once(line, 'listening')
  process.stdout.write(`${portOf(line)}\n`)
  process.stdin.resume()
  await once(process.stdin, 'end')
  process.stdout.write(`${requests} requests over ${connections} connections.\n`)
  process.exit()
}

/** Half of the time for each way, and `openingMs` for what is sent first. */
function forward(from: Socket, to: Socket, openingMs: number): void {
  const openAt = performance.now() + openingMs
  const later = (call: () => void) =>
    rttMs === 0 ? call() : setTimeout(call, Math.max(0, openAt - performance.now()) + rttMs / 2)
  from.setNoDelay(true)
  from.on('data', (bytes) => later(() => to.write(bytes)))
  from.on('end', () => later(() => to.end()))
  from.on('error', () => to.destroy())
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
