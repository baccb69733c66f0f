/** The guide docs/guides/replace-your-own.md, step by step: the code in examples/own-presence, which is its code. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createSigner } from 'fast-jwt'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createTestPresence } from '@vigie/server/testing'
import { startAfter } from '../examples/own-presence/src/after.js'
import { startBefore } from '../examples/own-presence/src/before.js'
import type { ChatOptions } from '../examples/own-presence/src/chat.js'
import { connectChat } from '../examples/own-presence/src/client.js'
import { comparePresence } from '../examples/own-presence/src/compare.js'
import { startShadow } from '../examples/own-presence/src/shadow.js'
import { freshDatabase, type TestDatabase } from '../test/database.js'
import { connectClient, type ReceivedEvent, type TestClient } from './support/clients.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SECRET = 'a secret of the tests of the guide'
const sign = createSigner({ key: SECRET })
/** Starts of PostgreSQL's databases and of a child process, on a busy machine. */
const SLOW_MS = 30_000
/** A limit for what never comes, not a measure. */
const WAIT = { timeout: 10_000, interval: 20 }

/** A database as the team has it: their tables, and Ana and Ben in one group and one conversation. */
async function teamDatabase(): Promise<TestDatabase> {
  const database = await freshDatabase()
  await database.sql.unsafe(`
    create table group_users (group_id text, user_id text, primary key (group_id, user_id));
    create table conversation_users (conversation_id text, user_id text, primary key (conversation_id, user_id));
    insert into group_users values ('crew', 'ana'), ('crew', 'ben');
    insert into conversation_users values ('plan', 'ana'), ('plan', 'ben')`)
  return database
}

/** What the guide has a team run in its own migration tool. */
async function migratePrinted(database: TestDatabase): Promise<void> {
  const vigie = fileURLToPath(new URL('../apps/vigie/bin/vigie.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [vigie, 'migrate', '--print'])
  await database.session().unsafe(stdout)
}

async function startBack<Back extends { close(): Promise<void> }>(
  start: (options: ChatOptions) => Back | Promise<Back>,
  { sql }: TestDatabase,
) {
  const http = createServer()
  const pushed: string[] = []
  const reported: string[] = []
  const back = await start({
    http,
    sql,
    secret: SECRET,
    push: (userId, text) => pushed.push(`${userId}: ${text}`),
    report: (sentence) => reported.push(sentence),
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const clients: TestClient[] = []
  let closing: Promise<void> | undefined
  const close = () => {
    for (const client of clients) client[Symbol.dispose]()
    return (closing ??= back.close())
  }
  return {
    back,
    url,
    pushed,
    reported,
    close,
    connect(userId: string, auth = {}) {
      const client = connectClient(url, sign({ sub: userId }), { auth })
      clients.push(client)
      return client
    },
    // Before its database: the own presence asks it when somebody goes.
    [Symbol.asyncDispose]: close,
  }
}

type Host = Awaited<ReturnType<typeof startBack>>

/** Somebody who has heard of themselves: whatever their connection caused is on its way. */
async function connected(client: TestClient, userId: string): Promise<TestClient> {
  await client.until(
    `${userId} is there`,
    ({ picture }) => picture.user(userId)?.online === true && picture.member('plan', userId)?.online === true,
  )
  return client
}

/** All that Ana hears, in parts: within each, the own presence has no order. */
async function story(host: Pick<Host, 'connect' | 'pushed'>): Promise<string[][]> {
  const ana = await connected(host.connect('ana'), 'ana')
  let from = ana.events.length
  const parts: string[][] = []
  const part = async (what: string, isMet: (client: TestClient) => boolean) => {
    await ana.until(what, isMet)
    parts.push(ana.events.slice(from).map(lineOf).sort())
    from = ana.events.length
  }
  const shows = (count: number) => (client: TestClient) =>
    client.picture.user('ben')?.count === count && client.picture.member('plan', 'ben')?.count === count

  const phone = host.connect('ben')
  await part('Ben', shows(1))
  const laptop = host.connect('ben')
  await part('a second device of Ben', shows(2))
  laptop.socket.emit('typing:start', { convId: 'plan' })
  await part('typing', ({ picture }) => picture.typists('plan').length === 1)
  laptop.socket.emit('typing:stop', { convId: 'plan' })
  await part('an end of typing', ({ picture }) => picture.typists('plan').length === 0)
  laptop.socket.emit('message:send', { convId: 'plan', text: 'hello' })
  await part('a message', (client) => client.named('message:new').length === 1)
  laptop.socket.disconnect()
  await part('one device less', shows(1))
  phone.socket.disconnect()
  await part('the last device gone', shows(0))
  ana.socket.emit('message:send', { convId: 'plan', text: 'where are you?' })
  await part('her own message', (client) => client.named('message:new').length === 2)
  expect(host.pushed).toEqual(['ben: where are you?'])
  ana.socket.disconnect()
  return parts
}

function lineOf({ name, payload, argumentCount }: ReceivedEvent): string {
  const fields = Object.entries(payload as object).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${name} ${JSON.stringify(Object.fromEntries(fields))} ${argumentCount}`
}

/** What only Vigie tells: of one's own devices. */
function withoutDevices(parts: readonly (readonly string[])[]): string[][] {
  return parts.map((part) => part.filter((line) => !line.startsWith('presence:devices')))
}

/** Two connections of Ben, with one device id; he is in two groups with Ana, who came first. */
async function differences(host: Pick<Host, 'connect'>) {
  const ana = await connected(host.connect('ana'), 'ana')
  const ben = await connected(host.connect('ben', { deviceId: 'laptop' }), 'ben')
  await ana.until('Ben', ({ picture }) => picture.member('plan', 'ben') !== undefined)
  const updates = ana.named('presence:update').filter(({ payload }) => isAbout('ben', payload)).length
  const benSeesAna = ben.picture.user('ana')?.online === true
  const tab = await connected(host.connect('ben', { deviceId: 'laptop' }), 'ben')
  return { updates, benSeesAna, count: tab.picture.user('ben')?.count }
}

function isAbout(userId: string, payload: unknown): boolean {
  return (payload as { userId: string }).userId === userId
}

/** The blocks of the guide in one language: the file that the first line names, if any, and the text. */
async function blocks(language: string): Promise<{ file: string | undefined; text: string }[]> {
  const guide = await readFile(`${ROOT}docs/guides/replace-your-own.md`, 'utf8')
  return [...guide.matchAll(new RegExp(`^\`\`\`${language}\n(?:// (\\S+)\n)?(.*?)^\`\`\``, 'gmsu'))].map(
    ([, file, text = '']) => ({ file, text }),
  )
}

describe('replacing one’s own presence', { timeout: SLOW_MS }, () => {
  test('the same client hears the same events with the same fields before, in shadow and after', async () => {
    await using database = await teamDatabase()
    await using before = await startBack(startBefore, database)
    const heard = await story(before)
    expect(heard).toHaveLength(8)
    expect(heard[0]).toEqual([
      'presence:conversation {"conversationId":"plan","count":1,"online":true,"userId":"ben"} 1',
      'presence:update {"count":1,"online":true,"userId":"ben"} 1',
    ])
    await before.close()

    await migratePrinted(database)
    await using shadow = await startBack(startShadow, database)
    expect(await story(shadow)).toEqual(heard)
    await shadow.close()

    await using after = await startBack(startAfter, database)
    expect(withoutDevices(await story(after))).toEqual(heard)
  })

  test('what differs is what the guide says: one update for all groups, a first picture, a device once', async () => {
    await using database = await teamDatabase()
    await database.sql`insert into group_users values ('choir', 'ana'), ('choir', 'ben')`
    await using before = await startBack(startBefore, database)
    expect(await differences(before)).toEqual({ updates: 2, benSeesAna: false, count: 2 })
    await before.close()

    await migratePrinted(database)
    await using after = await startBack(startAfter, database)
    expect(await differences(after)).toEqual({ updates: 1, benSeesAna: true, count: 1 })
  })

  test('in shadow a grace is a difference for a while, and nothing else is one', async () => {
    await using database = await teamDatabase()
    await migratePrinted(database)
    await using shadow = await startBack(startShadow, database)
    const { comparison } = shadow.back
    const until = (found: readonly string[]) =>
      vi.waitFor(() => expect(comparison.differences()).toEqual(found), WAIT)
    await story(shadow)
    await until([])
    comparison.look()

    const phone = await connected(shadow.connect('ben'), 'ben')
    await connected(shadow.connect('ben'), 'ben')
    await until([])
    phone.drop()
    await until(['ben: own presence 1, Vigie 2'])
    comparison.look()
    await connected(shadow.connect('ben'), 'ben')
    await until([])
    comparison.look()
    expect(shadow.reported).toEqual([])

    phone.socket.connect()
    await connected(phone, 'ben')
    phone.socket.emit('typing:start', { convId: 'plan', userId: 'ben' })
    await vi.waitFor(
      () => expect(shadow.reported).toEqual(['typing:start has the fields: convId,userId']),
      WAIT,
    )
  })

  test('a counter that does not come back to zero is reported at the second look', async () => {
    const presence = createTestPresence({ groups: { crew: ['ana', 'ben'] }, online: ['ana'] })
    const counts = new Map([['ana', 1]])
    const reported: string[] = []
    const comparison = comparePresence({ counts, presence, report: (sentence) => reported.push(sentence) })
    presence.connect('ben')
    counts.set('ben', 1)
    comparison.look()
    presence.disconnect('ben')
    comparison.look()
    expect(reported).toEqual([])
    comparison.look()
    expect(reported).toEqual(['ben: own presence 1, Vigie 0'])
  })

  test('a client that clears its maps has nobody in them whom it may not see any more', async () => {
    await using database = await teamDatabase()
    await migratePrinted(database)
    await using after = await startBack(startAfter, database)
    await connected(after.connect('ben'), 'ben')
    const connectAna = () => {
      const client = connectChat({ url: after.url, token: sign({ sub: 'ana' }), deviceId: 'laptop' })
      onTestFinished(() => void client.socket.disconnect())
      return client
    }
    const ana = connectAna()
    await vi.waitFor(() => expect(ana.conversations.get('plan')?.get('ben')).toBe(1), WAIT)
    const tab = connectAna()
    await vi.waitFor(() => expect(tab.users.get('ana')).toBe(1), WAIT)

    const back = new Promise<void>((resolve) => ana.socket.once('connect', resolve))
    ana.socket.io.engine.close()
    await database.sql`delete from group_users where user_id = 'ben'`
    await database.sql`delete from conversation_users where user_id = 'ben'`
    await vi.waitFor(() => expect(after.back.presence.online('plan')).toEqual(['ana']), WAIT)
    await back
    await vi.waitFor(() => expect(ana.users.get('ana')).toBe(1), WAIT)
    await vi.waitFor(() => expect(ana.conversations.get('plan')?.get('ana')).toBe(1), WAIT)
    expect([ana.users.has('ben'), ana.conversations.get('plan')?.has('ben')]).toEqual([false, false])
  })

  test('a rollback is the old code; then the schema goes, and takes its triggers along', async () => {
    await using database = await teamDatabase()
    await migratePrinted(database)
    await using after = await startBack(startAfter, database)
    await connected(after.connect('ana'), 'ana')
    await after.close()

    await using before = await startBack(startBefore, database)
    const heard = await story(before)
    await before.close()
    const removals = await blocks('sql')
    expect(removals).toHaveLength(1)
    for (const { text } of removals) await database.sql.unsafe(text)
    await database.sql`insert into conversation_users values ('lunch', 'ben')`
    await using later = await startBack(startBefore, database)
    expect(await story(later)).toEqual(heard)
    const left = await database.sql`
      select tgname as name from pg_trigger where tgname like 'vigie%'
      union all select nspname from pg_namespace where nspname = 'vigie'`
    expect([...left]).toEqual([])
  })
})

test('every block of code in the guide is in the file that it names', async () => {
  const found = await blocks('ts')
  expect(found.length).toBeGreaterThan(4)
  for (const { file, text } of found) {
    const code = await readFile(`${ROOT}examples/own-presence/src/${file ?? ''}`, 'utf8')
    expect(withoutIndent(code)).toContain(withoutIndent(text))
  }
})

function withoutIndent(code: string): string {
  return code.replaceAll(/^ +/gmu, '')
}
