import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import parse from 'parse-prometheus-text-format'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTestPresence } from '@vigie/server/testing'
import { createHealth } from '../src/health.js'
import { createHttp } from '../src/http.js'
import { createMetricsRoute, type MetricsAccess } from '../src/metrics.js'

/** On loopback; who asks from elsewhere is made by {@link ask}. */
async function serveMetrics(access: MetricsAccess) {
  const presence = createTestPresence({ groups: { crew: ['ann', 'bob'] }, online: ['ann'] })
  const health = createHealth()
  health.serve({
    isDatabaseReachable: async () => true,
    presence: presence.health,
    settings: { admissionLagMs: 100, rereadMs: 60_000 },
  })
  const metrics = createMetricsRoute({ presence, access, isKey: (key) => key === 'right' })
  const http = createHttp({ health, version: '1.2.3', metrics })
  const listener = getRequestListener(http.fetch)
  const server = createServer((request, response) => void listener(request, response)).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
  return {
    presence,
    ask: (headers: Record<string, string> = {}) => fetch(url, { headers }),
    /** As a request from another machine looks to the route. */
    askFrom: (address: string, headers: Record<string, string> = {}, host = 'localhost') =>
      http.request(
        `http://${host}/metrics`,
        { headers },
        { incoming: { socket: { remoteAddress: address } } },
      ),
  }
}

const KEY = { Authorization: 'Bearer right' }

describe('who may read /metrics', () => {
  it('loopback: this machine, and others with a key', async () => {
    const { ask, askFrom } = await serveMetrics('loopback')
    expect((await ask()).status).toBe(200)
    for (const address of ['127.9.0.1', '::1', '::ffff:127.0.0.1'])
      expect([address, (await askFrom(address)).status]).toEqual([address, 200])
    for (const address of ['10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', '128.0.0.1', '0.0.0.0'])
      expect([address, (await askFrom(address)).status]).toEqual([address, 401])
    expect((await askFrom('10.0.0.7', KEY)).status).toBe(200)
    expect((await askFrom('10.0.0.7', { Authorization: 'Bearer wrong' })).status).toBe(401)
  })

  it.each([
    ...['Forwarded', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Real-IP', 'Via'],
    ...['X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP'],
  ])('not who comes through a proxy on this machine (%s), unless with a key', async (name) => {
    const { ask } = await serveMetrics('loopback')
    expect((await ask({ [name]: '203.0.113.7' })).status).toBe(401)
    expect((await ask({ [name]: '203.0.113.7', ...KEY })).status).toBe(200)
  })

  it('not who names this machine otherwise: a page whose name was made to lead here, a proxy that passes Host on', async () => {
    const { askFrom } = await serveMetrics('loopback')
    for (const host of ['localhost:8080', '127.0.0.1:8080', '[::1]:8080', '127.8.8.8'])
      expect([host, (await askFrom('127.0.0.1', {}, host)).status]).toEqual([host, 200])
    for (const host of ['evil.example', 'localhost.evil.example', '10.0.0.7:8080'])
      expect([host, (await askFrom('127.0.0.1', {}, host)).status]).toEqual([host, 401])
    expect((await askFrom('127.0.0.1', KEY, 'chat.example')).status).toBe(200)
  })

  it('key: nobody without one, and the answer says what is needed', async () => {
    const { ask } = await serveMetrics('key')
    const refused = await ask()
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect(await refused.json()).toEqual({
      error: {
        code: 'unauthorized',
        message: 'Metrics need a key of the HTTP API as `Authorization: Bearer …` (metricsAccess is key).',
      },
    })
    expect((await ask({ Authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await ask({ Authorization: 'right' })).status).toBe(401)
    expect((await ask({ authorization: 'bearer right' })).status).toBe(200)
  })

  it('off: there is nothing', async () => {
    const { ask } = await serveMetrics('off')
    expect((await ask(KEY)).status).toBe(404)
  })
})

it('is text that another reader reads, anew each time', async () => {
  const { ask, presence } = await serveMetrics('loopback')
  const read = async () => {
    const answer = await ask()
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const families = parse(await answer.text())
    return families.find(({ name }) => name === 'presence_users_online')?.metrics[0]?.value
  }
  expect(await read()).toBe('1')
  presence.connect('bob')
  expect(await read()).toBe('2')
})
