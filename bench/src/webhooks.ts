/**
 * How many webhooks a second one endpoint takes: `node bench/dist/webhooks.js [--events N] [--rtt MS] [--concurrency N]`.
 * Each event is a user who comes online. All are in the audit trail before the sender starts. The receiver is another
 * process and answers 204 at once. A proxy in front of it adds the round-trip time to each request, and once more to each
 * new connection, as a TCP handshake does. The run fails if the number of requests is not the number of events.
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
import type { Fact } from '../../packages/server/dist/trail/facts.js'
import { dayOf } from '../../packages/server/dist/trail/days.js'
import { openDatabase } from './database.js'
import { createTrailWriter } from './trail-writer.js'

const ENDPOINT = 'bench'
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
    `${events} events in ${seconds.toFixed(1)} s: ${Math.round(events / seconds)} a second. ` +
      `Processor time of the sender: ${(cpuMs / events).toFixed(2)} ms for each. Round trip: ${rttMs} ms.\n`,
  )
}

async function write(url: string): Promise<void> {
  const store = postgresTrail({ sql: url, node: 'bench' })
  const at = Date.now()
  await store.makeDays([dayOf(at)])
  const { add, flush } = createTrailWriter(store)
  await add({ kind: 'start', detail: { node: 'bench' } }, at)
  for (let user = 1; user <= events; user++) await add(online(user), at)
  await flush()
  await store.close()
}

function online(user: number): Fact {
  return {
    kind: 'session',
    state: 'live',
    reason: 'connected',
    userId: `user-${user}`,
    sessionId: `session-${user}`,
    device: `device-${user}`,
  } as unknown as Fact
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
