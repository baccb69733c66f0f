import { postgresMemberships, readDatabaseUrl } from '@vigie/server/postgres'
import postgres from 'postgres'
import { expect, inject, it } from 'vitest'
import { freshDatabase } from '../../../../test/database.js'

const BASE = 'postgres://u:p@h:5432/d'

it.each([
  ['of Prisma', 'schema=chat&pgbouncer=true&connection_limit=5&pool_timeout=10'],
  ['of Neon', 'sslmode=disable&channel_binding=prefer'],
  [
    'of libpq',
    'gssencmode=disable&keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3',
  ],
  ['of libpq, with an address in the query', 'connect_timeout=5&application_name=presence'],
  ['of JDBC', 'currentSchema=chat&prepareThreshold=0&tcpKeepAlive=true'],
  ['of Rails', 'pool=5&prepared_statements=false&encoding=unicode'],
  ['of Doctrine', 'serverVersion=16&charset=utf8'],
  ['of Supabase', 'supa=base-pooler.x&workaround=supabase-pooler.vercel'],
])('a URL with parameters %s connects to a real server', async (_, query) => {
  const url = new URL(inject('postgresUrl'))
  url.search = query
  const { url: cleaned, options } = readDatabaseUrl(url.href)
  const sql = postgres(cleaned, { max: 1, ...options })
  expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
  await sql.end()
})

it('schema= is where unqualified tables are looked for', async () => {
  await using database = await freshDatabase()
  await database.sql
    .unsafe(`CREATE SCHEMA "My Chat"; CREATE TABLE "My Chat".group_users (group_id text, user_id text);
    INSERT INTO "My Chat".group_users VALUES ('crew', 'ada')`)
  const lines: unknown[] = []
  const log = { debug: (...line: unknown[]) => lines.push(line), info() {}, warn() {}, error() {} }
  const memberships = postgresMemberships({
    sql: `${database.url}?schema=My%20Chat&connection_limit=5`,
    conversations: false,
    changeFeed: false,
    log,
  })
  await memberships.open(() => {})
  expect((await memberships.readUsers(['ada' as never])).size).toBe(1)
  expect(lines).toEqual([
    [expect.stringContaining('are for other tools'), { parameters: ['connection_limit'] }],
  ])
  await memberships.close()
})

it('what is left out is named, what the driver or the server knows stays, and a password is not repeated', () => {
  expect(readDatabaseUrl(`${BASE}?pgbouncer=true&sslmode=require&statement_timeout=5000&password=x`)).toEqual(
    {
      url: `${BASE}?sslmode=require&statement_timeout=5000`,
      options: { prepare: false, password: 'x', connection: {} },
      leftOut: ['pgbouncer'],
    },
  )
  expect(readDatabaseUrl('postgres:///d?host=/var/run/postgresql&port=5433&user=u&dbname=e')).toEqual({
    url: 'postgres:///d',
    options: { host: '/var/run/postgresql', port: 5433, username: 'u', database: 'e', connection: {} },
    leftOut: [],
  })
  expect(readDatabaseUrl(BASE)).toEqual({ url: BASE, options: { connection: {} }, leftOut: [] })
})

it.each([
  ['channel_binding=require', 'channel_binding=require'],
  ['gssencmode=require', 'gssencmode=require'],
  ['sslmode=no-verify', 'sslmode=no-verify'],
  ['sslrootcert=/etc/ca.pem', 'NODE_EXTRA_CA_CERTS'],
  ['sslcert=/etc/client.pem', 'sslcert'],
  ['service=chat', 'service=chat'],
  ['client_encoding=LATIN1', 'client_encoding=LATIN1'],
  ['connect_timeout=soon', 'connect_timeout=soon'],
  ['require_auth=scram-sha-256', 'require_auth'],
])('%s cannot be honoured, and the sentence names it', (query, named) => {
  expect(() => readDatabaseUrl(`${BASE}?${query}`)).toThrow(named)
})

it('memberships refuse it when they are opened, with the same sentence', async () => {
  const memberships = postgresMemberships({ sql: `${BASE}?channel_binding=require` })
  await expect(memberships.open(() => {})).rejects.toThrow(
    'The database URL has `channel_binding=require`, which cannot be honoured: the driver cannot do it; write `prefer`, or leave it out.',
  )
  await memberships.close()
})
