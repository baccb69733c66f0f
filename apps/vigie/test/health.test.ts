import { expect, it } from 'vitest'
import { createHealth, type Health } from '../src/health.js'
import { createHttp } from '../src/http.js'

async function statuses(health: Health, paths = ['/livez', '/readyz', '/healthz']): Promise<number[]> {
  const http = createHttp({ health, version: '1.2.3' })
  return Promise.all(paths.map(async (path) => (await http.request(path)).status))
}

it('is alive from its first to its last moment, and ready between: the way from start to end', async () => {
  const health = createHealth()
  expect(await statuses(health)).toEqual([200, 503, 503])
  expect(await health.readiness()).toEqual({ isReady: false, reasons: ['starting'] })
  health.serve(async () => true)
  expect(await statuses(health)).toEqual([200, 200, 200])
  expect(await health.readiness()).toEqual({ isReady: true, reasons: [] })
  health.drain()
  expect(await statuses(health)).toEqual([200, 503, 200])
  expect(await health.readiness()).toEqual({ isReady: false, reasons: ['draining'] })
})

it('stays at its end when the end came while it started', async () => {
  const health = createHealth()
  health.drain()
  health.serve(async () => true)
  expect(await health.readiness()).toEqual({ isReady: false, reasons: ['draining'] })
})

it('does not ask the database whether it is alive', async () => {
  const health = createHealth()
  health.serve(() => new Promise(() => {}))
  expect(await statuses(health, ['/livez'])).toEqual([200])
})

it('answers HEAD as GET, and nothing but health is there while it starts', async () => {
  const health = createHealth()
  const http = createHttp({ health, version: '1.2.3' })
  expect((await http.request('/livez', { method: 'HEAD' })).status).toBe(200)
  for (const path of ['/', '/socket.io/?EIO=4', '/demo/users']) {
    const answer = await http.request(path)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await answer.json()).toEqual({
      error: { code: 'unavailable', message: 'Vigie is starting; try again.' },
    })
  }
})
