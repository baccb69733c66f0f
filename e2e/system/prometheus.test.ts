/** Debian's Prometheus reads a running server: its rules are valid, silent while all is well, and fire in an incident. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { io } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { METRICS } from '@vigie/server'
import { freshDatabase } from '../../test/database.js'
import { promtool, startPrometheus } from '../support/prometheus.js'
import { startProxy } from '../support/proxy.js'
import { freshSecret, serve, signToken } from '../support/serve.js'

const deploy = (path: string) => fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url))
const RULES = deploy('prometheus/rules.yml')

describe('what is in deploy/', () => {
  it('has rules that Prometheus’ own tool takes, each of which fires in the incident that is planted for it', async () => {
    expect(await promtool('check', 'rules', RULES)).toMatch(/SUCCESS: \d+ rules found/u)
    expect(await promtool('test', 'rules', deploy('prometheus/incidents.yml'))).toContain('SUCCESS')
    await expect(promtool('check', 'rules', deploy('grafana/vigie.json'))).rejects.toThrow(
      /promtool check rules/u,
    )
  })

  it('has a configuration that it takes', async () => {
    expect(await promtool('check', 'config', deploy('prometheus/prometheus.yml'))).toContain('SUCCESS')
  })

  it('has a dashboard of which each expression is valid', async () => {
    const { panels } = JSON.parse(await readFile(deploy('grafana/vigie.json'), 'utf8')) as {
      panels: { targets?: { expr: string }[] }[]
    }
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    const rules = expressions.map((expr, place) => ({
      record: `panel:expression:${place}`,
      expr: expr
        .replaceAll('$__rate_interval', '5m')
        .replaceAll('$job', 'vigie')
        .replaceAll('$instance', '.+'),
    }))
    const folder = await mkdtemp(join(tmpdir(), 'vigie-dashboard-'))
    try {
      const path = join(folder, 'rules.yml')
      // JSON is YAML.
      await writeFile(path, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
      expect(await promtool('check', 'rules', path)).toContain(`SUCCESS: ${expressions.length} rules found`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('a Prometheus that reads a running server', () => {
  it('has every metric, fires while the database is away, and is quiet again when it is back', async () => {
    await using database = await freshDatabase()
    await using line = await startProxy(database.url)
    const address = new URL(database.url)
    address.host = new URL(line.url).host
    const secret = freshSecret()
    await using server = await serve({
      env: {
        DATABASE_URL: address.href,
        VIGIE_JWT_SECRET: secret,
        // Nobody listens there; nothing is given up for hours.
        VIGIE_WEBHOOKS: `crm http://127.0.0.1:9/ whsec_${Buffer.from(secret).toString('base64')}`,
        VIGIE_WEBHOOKS_ALLOW_PRIVATE: '1',
      },
    })
    await using prometheus = await startPrometheus(server.url, RULES)
    const sockets = ['ann', 'bob'].map((userId) =>
      io(server.url, { auth: { token: signToken(secret, userId) }, transports: ['websocket'] }),
    )
    onTestFinished(() => {
      for (const socket of sockets) socket.disconnect()
    })
    const valueOf = async (expression: string) => (await prometheus.query(expression))[0]?.value
    const stateOf = async (name: string) =>
      (await prometheus.rules()).find((rule) => rule.name === name)?.state

    await expect.poll(() => valueOf('presence_users_online{job="vigie"}'), { timeout: 30_000 }).toBe(2)
    await expect
      .poll(() => valueOf('rate(presence_feed_polls_total{result="ok"}[10s])'), { timeout: 30_000 })
      .toBeGreaterThan(0)
    const names = await prometheus.query('count by (__name__) ({job="vigie",__name__=~"presence_.+"})')
    const families = new Set(
      names.map(({ metric }) => (metric.__name__ ?? '').replace(/_seconds_(bucket|sum|count)$/u, '_seconds')),
    )
    expect([...families].sort()).toEqual(METRICS.map(({ name }) => name).sort())
    const rules = await prometheus.rules()
    expect(rules.map(({ health }) => health).filter((health) => health !== 'ok')).toEqual([])
    expect(rules.filter(({ state }) => state === 'firing')).toEqual([])

    line.freeze()
    await expect.poll(() => stateOf('VigieDatabaseUnreachable'), { timeout: 60_000 }).toBe('firing')
    await expect.poll(() => stateOf('VigieFeedLate'), { timeout: 60_000 }).toBe('firing')
    // The server is up, and its people are still there: the alert is about the database.
    expect(await valueOf('up{job="vigie"}')).toBe(1)
    expect(await valueOf('presence_users_online{job="vigie"}')).toBe(2)

    line.thaw()
    await expect.poll(() => stateOf('VigieFeedLate'), { timeout: 30_000 }).toBe('inactive')
    expect(await valueOf('presence_feed_overruns_total')).toBeGreaterThan(0)
  })
})
