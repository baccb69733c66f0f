import type { PresenceOptions } from '@vigie/server'
import { describe, expect, it } from 'vitest'
import { ACT_KEY, startApi } from './api-server.js'

type Trail = NonNullable<PresenceOptions['trail']>

/** Keeps rows in memory: what they mean is tested beside the recorder. */
function openTrail() {
  const rows: Parameters<Trail['write']>[0][number][] = []
  const trail: Trail = {
    node: 'api',
    check: async () => {},
    makeDays: async () => {},
    async write(batch) {
      rows.push(...batch)
      return batch.length
    },
    lastBoot: async () => undefined,
    unfinished: async () => [],
    close: async () => {},
  }
  return { trail, rows }
}

describe('the audit trail', () => {
  it('has each request of an acting route: which, about whom, and by which key', async () => {
    const { trail, rows } = openTrail()
    {
      await using server = await startApi({ trail })
      const act = async (path: string, body: object = {}) => {
        const { status } = await server.ask(path, {
          method: 'POST',
          key: ACT_KEY,
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        })
        expect(status).toBeLessThan(300)
      }
      await act('/v1/users/ann/kick', { deviceId: 'phone' })
      for (let n = 0; n < 3; n++) await act('/v1/users/ben/stop-typing', { conversationId: 'plan' })
      await act('/v1/memberships/changed', { users: ['ann', 'ben'] })
      await act('/v1/clients/audit', { sample: 5 })
      // Refused: nothing was done.
      await server.ask('/v1/users/ann/kick', { method: 'POST', key: 'a-key-that-is-none' })
    }
    const acts = rows.filter(({ kind }) => kind === 'act')
    const [{ by }] = acts.map(({ detail }) => JSON.parse(detail ?? '{}') as { by: string }) as [
      { by: string },
    ]
    expect(by).toMatch(/^[0-9a-f]{8,}$/)
    const typing = { reason: 'stopTyping', userId: 'ben', detail: { by, conversationId: 'plan' } }
    expect(
      acts.map(({ reason, userId, detail }) => ({
        reason,
        userId,
        detail: JSON.parse(detail ?? '{}') as object,
      })),
    ).toEqual([
      { reason: 'kickUser', userId: 'ann', detail: { by, devices: 'one' } },
      typing,
      typing,
      typing,
      { reason: 'membershipsChanged', userId: null, detail: { by, users: 2, groups: 0, conversations: 0 } },
      { reason: 'auditClients', userId: null, detail: { by, sample: 5 } },
    ])
  })
})
