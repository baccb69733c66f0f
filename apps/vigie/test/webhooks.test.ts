import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { METRICS, silentLog, withWebhooks } from '@vigie/server'
import { migrate } from '@vigie/server/postgres'
import { freshDatabase } from '../../../test/database.js'
import { describeConfig, loadConfig, secretsOf } from '../src/config.js'
import { openWebhooks, type Database } from '../src/database.js'
import { readWebhooks } from '../src/secrets.js'
import { webhookEndpointOf } from '../src/webhooks.js'
import { temporaryFolder } from './vigie-process.js'

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const OTHER = `whsec_${Buffer.alloc(24, 2).toString('base64')}`
const CRM = `crm https://crm.example.org/hook?a=b ${SECRET}`
const BOT = `bot https://bot.example.org/ ${SECRET} ${OTHER}`
const load = (env: Readonly<Record<string, string>>) => loadConfig({ env })

describe('the start of webhooks', () => {
  const start = (url: string, env: Readonly<Record<string, string>>) => {
    const config = load(env)
    return openWebhooks({ url } as Database, { config, entries: config.webhooks ?? [], log: silentLog })
  }

  it('there are none without an entry', async () => {
    expect(await start('postgres://nobody.invalid/x', {})).toBeUndefined()
  })

  it('says in one sentence what is wrong: an address that is refused, or no audit trail to send from', async () => {
    await expect(
      start('postgres://nobody.invalid/x', { VIGIE_WEBHOOKS: `crm http://10.0.0.7/ ${SECRET}` }),
    ).rejects.toThrow(/^The url of webhook endpoint crm must begin with https:/u)
    await using database = await freshDatabase()
    await expect(start(database.url, { VIGIE_WEBHOOKS: CRM })).rejects.toThrow(
      /^Webhooks are sent from the audit trail, and there is no table for it/u,
    )
  })

  it('counts are among the metrics', async () => {
    await using database = await freshDatabase()
    await migrate(database.url, { createTables: true })
    const webhooks = await start(database.url, { VIGIE_WEBHOOKS: CRM })
    const empty = METRICS.map(({ name, kind, help }) => ({ name, kind, help, samples: [] }))
    const read = () =>
      new Map(withWebhooks(empty, webhooks?.counts()).map(({ name, samples }) => [name, samples]))
    expect(read().get('presence_webhook_waiting')).toEqual([{ labels: {}, value: 0 }])
    expect(read().get('presence_webhook_attempts_total')).toEqual(
      ['delivered', 'failed', 'dead'].map((result) => ({ labels: { result }, value: 0 })),
    )
    expect(read().get('presence_sessions')).toEqual([])
    expect(withWebhooks(empty, undefined)).toBe(empty)
    await webhooks?.close()
  })
})

describe('the option webhooks', () => {
  it('has an entry for each endpoint: its name, its address, its secrets', () => {
    const { webhooks } = load({ VIGIE_WEBHOOKS: `${CRM}, ${BOT}` })
    expect(webhooks?.map(webhookEndpointOf)).toEqual([
      { name: 'crm', url: 'https://crm.example.org/hook?a=b', secret: [SECRET] },
      { name: 'bot', url: 'https://bot.example.org/', secret: [SECRET, OTHER] },
    ])
  })

  it.each([
    `https://crm.example.org/ ${SECRET}`,
    'crm https://crm.example.org/',
    `crm ftp://crm.example.org/ ${SECRET}`,
    `crm https:// ${SECRET}`,
    'crm https://crm.example.org/ hunter2',
  ])('refuses %s without showing it', (entry) => {
    expect(() => load({ VIGIE_WEBHOOKS: entry })).toThrow(
      /^VIGIE_WEBHOOKS (?!.*(hunter2|whsec_A)).*a name, an address/u,
    )
  })

  it('is never shown, and its secrets are in no log', () => {
    const config = load({ VIGIE_WEBHOOKS: BOT })
    expect(secretsOf(config)).toEqual([SECRET, OTHER])
    expect(JSON.stringify(describeConfig(config))).not.toContain('whsec_')
  })

  it('may be in a file, and in one place only', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'hooks')
    await writeFile(path, `${CRM},${BOT}\n`)
    expect(await readWebhooks(load({ VIGIE_WEBHOOKS_FILE: path }))).toEqual([CRM, BOT])
    expect(() => load({ VIGIE_WEBHOOKS_FILE: path, VIGIE_WEBHOOKS: CRM })).toThrow('are both set')
    await writeFile(path, 'hunter2')
    await expect(readWebhooks(load({ VIGIE_WEBHOOKS_FILE: path }))).rejects.toThrow(
      /which holds a value that is not shown/u,
    )
    expect(await readWebhooks(load({}))).toEqual([])
  })

  it('needs the audit trail', () => {
    expect(() => load({ VIGIE_WEBHOOKS: CRM, VIGIE_TRAIL: '0' })).toThrow(
      'VIGIE_WEBHOOKS is set and VIGIE_TRAIL is 0; webhooks are sent from the audit trail: leave one of them out.',
    )
  })

  it('its numbers have the defaults of the library, and bounds', () => {
    const { webhooksAllowPrivate, webhookTimeoutMs, webhookConcurrency, webhookRetryMs, ...rest } = load({})
    expect([webhooksAllowPrivate, webhookTimeoutMs, webhookConcurrency, webhookRetryMs]).toEqual([
      false,
      10_000,
      8,
      [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000],
    ])
    expect([rest.webhookWindowMax, rest.webhookDeadLetterDays]).toEqual([1_000, 30])
    expect(load({ VIGIE_WEBHOOK_RETRY_MS: '0,50' }).webhookRetryMs).toEqual([0, 50])
    for (const [name, value] of [
      ['VIGIE_WEBHOOK_TIMEOUT_MS', '99'],
      ['VIGIE_WEBHOOK_CONCURRENCY', '0'],
      ['VIGIE_WEBHOOK_WINDOW_MAX', '9'],
      ['VIGIE_WEBHOOK_DEAD_LETTER_DAYS', '0'],
      ['VIGIE_WEBHOOK_RETRY_MS', '1,-1'],
    ] as const)
      expect(() => load({ [name]: value })).toThrow(name)
  })
})
