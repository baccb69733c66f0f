/** `/metrics` of the built server, read by a parser that is not ours, against what the documentation says. */
import { readFile } from 'node:fs/promises'
import parse from 'parse-prometheus-text-format'
import { io } from 'socket.io-client'
import { expect, it, onTestFinished } from 'vitest'
import { METRICS } from '@vigie/server'
import { freshDatabase } from '../test/database.js'
import { freshSecret, serve, signToken } from './support/serve.js'

const documentation = () => readFile(new URL('../docs/metrics.md', import.meta.url), 'utf8')

async function scrape(url: string) {
  const answer = await fetch(`${url}/metrics`)
  expect(answer.status).toBe(200)
  const text = await answer.text()
  const lines = parse(text.replaceAll(/^# .*\n/gmu, ''))
  return {
    families: parse(text),
    /** Every line by its own name. Of a histogram with labels the parser keeps one series unless the type is hidden from it. */
    samplesOf: (name: string) =>
      lines.filter((family) => family.name === name).flatMap(({ metrics }) => metrics),
  }
}

it('every documented name is there and no other, each with the kind, the help and the labels that are documented', async () => {
  await using database = await freshDatabase()
  const secret = freshSecret()
  await using server = await serve({ env: { DATABASE_URL: database.url, VIGIE_JWT_SECRET: secret } })
  await database.sql`insert into group_users (group_id, user_id) values ('crew', 'ann'), ('crew', 'bob')`
  const { families, samplesOf } = await scrape(server.url)

  const rows = [
    ...(await documentation()).matchAll(/^\| `(presence_\w+)` \| (\w+) \| \w* \| (.*?) \| (.*) \|$/gmu),
  ]
  const documented = rows.map(([, name = '', kind = '', labels = '', help = '']) => ({
    name,
    kind,
    labels,
    help,
  }))
  const ours = families.filter(({ name }) => !/^(process|nodejs)_/u.test(name))
  expect(ours.map(({ name }) => name).sort()).toEqual(documented.map(({ name }) => name).sort())
  for (const { name, kind, help } of documented) {
    const family = ours.find((each) => each.name === name)
    expect(family).toMatchObject({ type: kind.toUpperCase(), help })
    const metric = METRICS.find((each) => each.name === name)
    const own = samplesOf(kind === 'histogram' ? `${name}_count` : name)
    // There are no webhooks here.
    const expected = name.startsWith('presence_webhook_') ? 0 : metric?.series.length
    expect([name, own.length]).toEqual([name, expected])
  }
  for (const { name, labels } of documented) {
    const described = new Map(
      labels === ''
        ? []
        : labels.split('; ').map((part) => {
            const [label = '', values = ''] = part.split('`: ')
            return [label.slice(1), values.split(', ')] as const
          }),
    )
    for (const sample of [...samplesOf(name), ...samplesOf(`${name}_count`)])
      for (const [label, value] of Object.entries(sample.labels ?? {}))
        expect([name, label, described.get(label)?.includes(value)]).toEqual([name, label, true])
  }
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_heap_size_used_bytes',
  ])
    expect(families.map((each) => each.name)).toContain(name)
})

it('tells of people who are there, of rows that came, and of how late it was', async () => {
  await using database = await freshDatabase()
  const secret = freshSecret()
  await using server = await serve({ env: { DATABASE_URL: database.url, VIGIE_JWT_SECRET: secret } })
  const connect = (userId: string) => {
    const socket = io(server.url, { auth: { token: signToken(secret, userId) }, transports: ['websocket'] })
    onTestFinished(() => void socket.disconnect())
    return socket
  }
  const heard = (socket: ReturnType<typeof connect>, userId: string) =>
    new Promise<void>((resolve) => {
      socket.on('presence:update', (told: { userId: string; online: boolean }) => {
        if (told.userId === userId && told.online) resolve()
      })
    })
  const ann = connect('ann')
  await heard(ann, 'ann')
  // While both are there, so that the feed is what tells it.
  const came = heard(ann, 'bob')
  const bob = connect('bob')
  await heard(bob, 'bob')
  await database.sql`insert into group_users (group_id, user_id) values ('crew', 'ann'), ('crew', 'bob')`
  await came

  const { samplesOf } = await scrape(server.url)
  const value = (name: string, label = '') =>
    Number(
      samplesOf(name).find(({ labels }) => label === '' || Object.values(labels ?? {}).includes(label))
        ?.value,
    )
  expect(value('presence_users_online')).toBe(2)
  expect(value('presence_connections', 'websocket')).toBe(2)
  expect(value('presence_feed_changes_total')).toBeGreaterThanOrEqual(3)
  expect(value('presence_feed_polls_total', 'ok')).toBeGreaterThan(0)
  expect(value('presence_feed_polls_total', 'failed')).toBe(0)
  expect(value('presence_rows_reachable')).toBe(1)
  expect(value('presence_membership_lag_seconds_count')).toBeGreaterThan(0)
  expect(value('presence_membership_lag_seconds_bucket', '+Inf')).toBe(
    value('presence_membership_lag_seconds_count'),
  )
  expect(value('presence_publish_seconds_count', 'first_picture')).toBeGreaterThan(0)
})
