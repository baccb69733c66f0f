import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/database.js'
import { connectClient, type TestClient } from '../support/clients.js'
import { freePort } from '../support/free-port.js'
import { startProcess, type StartedProcess } from '../support/process.js'
import { freshSecret, serve, signToken } from '../support/serve.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LOOK_AGAIN_MS = 50
const USERS = Array.from({ length: 12 }, (_, n) => `user-${n}`)
const ROUNDS = 12
/** After these rounds the server, and the receiver, are killed. */
const SERVER_KILLS = new Set([3, 7])
const RECEIVER_KILLS = new Set([2, 5, 9])
/** A boot that was killed is known to be dead after 30 s; then a lease may have to run out. */
const PATIENCE_MS = 100_000

interface Told {
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly sequence: number
}

test(
  'a receiver that fails, hangs, redirects, cuts and is killed, and a server that is killed: nothing is lost, the order per user is kept, every signature verifies',
  { timeout: 240_000 },
  async () => {
    await using database = await freshDatabase()
    const secret = freshSecret()
    const hookSecret = `whsec_${randomBytes(32).toString('base64')}`
    const hookPort = String(await freePort())
    const receivers: StartedProcess[] = []
    const startReceiver = async (mood: string) => {
      const receiver = startProcess(['e2e/support/webhook-receiver.js'], {
        cwd: ROOT,
        env: { PORT: hookPort, SECRET: hookSecret, MOOD: mood },
      })
      receivers.push(receiver)
      await receiver.waitForLine(/listening/u)
      return receiver
    }
    let receiver = await startReceiver('moody')
    const env = {
      DATABASE_URL: database.url,
      PORT: String(await freePort()),
      VIGIE_JWT_SECRET: secret,
      VIGIE_GRACE_MS: '500',
      VIGIE_REATTACH_GRACE_MS: '500',
      VIGIE_CLIENT_RECONNECT_MS: '400',
      VIGIE_WEBHOOKS: `crm http://127.0.0.1:${hookPort}/hook ${hookSecret}`,
      VIGIE_WEBHOOKS_ALLOW_PRIVATE: '1',
      VIGIE_WEBHOOK_TIMEOUT_MS: '500',
      VIGIE_WEBHOOK_RETRY_MS: Array.from({ length: 20 }, () => 200).join(','),
      VIGIE_WEBHOOK_WINDOW_MAX: '30',
    }
    let server = await serve({ env })
    const clients = new Map<string, TestClient>()
    try {
      for (const userId of USERS)
        await database.sql`INSERT INTO conversation_users (conversation_id, user_id) VALUES ('hall', ${userId})`
      // The endpoint has been begun: from now on everything is told.
      await until(
        'the endpoint is known',
        async () => (await database.sql`SELECT FROM vigie.webhook_endpoints`).length === 1,
      )

      for (let round = 0; round < ROUNDS; round++) {
        for (const [place, userId] of USERS.entries()) {
          if (place % 4 === round % 3) continue
          const client = clients.get(userId)
          if (client) {
            client.socket.disconnect()
            clients.delete(userId)
          } else clients.set(userId, connectClient(server.url, signToken(secret, userId)))
        }
        await sleep(700)
        if (SERVER_KILLS.has(round)) {
          expect(await server.process.kill('SIGKILL')).toBe('SIGKILL')
          server = await serve({ env })
        }
        if (RECEIVER_KILLS.has(round)) {
          expect(await receiver.kill('SIGKILL')).toBe('SIGKILL')
          await sleep(300)
          receiver = await startReceiver('moody')
        }
      }
      await Promise.all(
        [...clients].map(([userId, client]) =>
          client.until(
            `${userId} is in`,
            ({ picture }) => picture.user(userId)?.online === true || client.socket.connected,
            20_000,
          ),
        ),
      )
      await receiver.kill('SIGKILL')
      receiver = await startReceiver('good')

      const told = (kind: 'tried' | 'taken') =>
        receivers.flatMap(({ lines }) =>
          lines.flatMap((line) => (line.startsWith(`${kind} `) ? [JSON.parse(line.slice(6)) as Told] : [])),
        )
      const onlineNow = () => {
        const state = new Map<string, string>()
        for (const { type, subject, sequence } of firstOfEach(told('taken')).sort(
          (a, b) => a.sequence - b.sequence,
        )) {
          expect(sequence).toBeGreaterThan(0)
          state.set(subject, type)
        }
        return USERS.filter((userId) => state.get(userId) === 'user.online')
      }
      const expected = [...clients.keys()].sort()
      const waiting = () =>
        database.sql`SELECT sequence::int, attempts, failure FROM vigie.webhook_deliveries`
      const isSame = async () =>
        onlineNow().sort().join() === expected.join() && (await waiting()).length === 0
      await until('the receiver knows who is online, and nothing waits', isSame, async () => ({
        expected,
        told: onlineNow().sort(),
        waiting: [...(await waiting())],
        positions: [...(await database.sql`SELECT boot, position::int, ended FROM vigie.webhook_positions`)],
        trail: [
          ...(await database.sql`SELECT boot, max(position)::int AS position, max(at) AS at FROM vigie.trail GROUP BY boot`),
        ],
        lines: server.process.lines.slice(-15),
      }))

      const taken = firstOfEach(told('taken'))
      const [{ sequence: last }] =
        (await database.sql`SELECT sequence::int FROM vigie.webhook_endpoints`) as unknown as [
          { sequence: number },
        ]
      // Nothing lost: of every number that was given to an event there is one.
      expect(taken.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(
        Array.from({ length: last }, (_, n) => n + 1),
      )
      expect(last).toBeGreaterThan(USERS.length * 4)
      for (const subject of [...USERS, 'hall']) {
        const tried = told('tried').filter((each) => each.subject === subject)
        // In order: what was tried once a later one was tried is never tried again.
        for (const [place, { sequence }] of tried.entries())
          if (place > 0) expect([subject, sequence >= tried[place - 1]!.sequence]).toEqual([subject, true])
        const types = taken.filter((each) => each.subject === subject).map(({ type }) => type)
        for (const [place, type] of types.entries()) if (place > 0) expect(type).not.toBe(types[place - 1])
      }
      // One id for each event, whoever sent it and how often.
      const ids = new Map(told('tried').map(({ id, sequence }) => [sequence, id]))
      for (const { id, sequence } of told('tried')) expect(id).toBe(ids.get(sequence))
      const lines = receivers.flatMap((each) => each.lines)
      expect(lines.filter((line) => /^(forged|followed) /u.test(line))).toEqual([])
      expect(told('tried').length).toBeGreaterThan(taken.length)
    } finally {
      for (const client of clients.values()) client[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
      for (const each of receivers) await each[Symbol.asyncDispose]()
    }
  },
)

function firstOfEach(told: readonly Told[]): Told[] {
  return [...new Map(told.toReversed().map((each) => [each.id, each])).values()].reverse()
}

async function until(
  what: string,
  isSo: () => Promise<boolean>,
  explain: () => Promise<unknown> = async () => '',
): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (performance.now() > end)
      throw new Error(
        `${PATIENCE_MS} ms passed without: ${what}. ${JSON.stringify(await explain(), null, 1)}`,
      )
    await sleep(LOOK_AGAIN_MS)
  }
}
