import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { flawsOf } from './support/axe.js'
import { launchBrowser } from './support/chromium.js'
import { connectClient } from './support/clients.js'
import { startVigie } from './support/vigie.js'

const PICTURES = fileURLToPath(new URL('../test-results/', import.meta.url))
const SLOW_MS = 120_000
const KEY = 'operators-0123456789abcdef'
const SECRET = `whsec_${randomBytes(32).toString('base64')}`

test(
  'a webhook that could not be delivered is on the operators’ page, and is sent again with a key that may act',
  { timeout: SLOW_MS },
  async () => {
    await mkdir(PICTURES, { recursive: true })
    const ids: string[] = []
    let isWell = false
    const receiver = createServer((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        new Webhook(SECRET).verify(body, request.headers as Record<string, string>)
        if (body.includes('user.online')) ids.push(String(request.headers['webhook-id']))
        response.writeHead(isWell || !body.includes('user.online') ? 204 : 503).end()
      })
    }).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    onTestFinished(() => {
      receiver.closeAllConnections()
      receiver.close()
    })
    await using vigie = await startVigie({
      VIGIE_API_KEYS: KEY,
      VIGIE_WEBHOOKS: `crm http://127.0.0.1:${(receiver.address() as AddressInfo).port}/ ${SECRET}`,
      VIGIE_WEBHOOKS_ALLOW_PRIVATE: '1',
      VIGIE_WEBHOOK_RETRY_MS: '0',
    })
    const browser = await launchBrowser()
    onTestFinished(() => browser.close())
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 } })
    const page = await context.newPage()
    await page.goto(`${vigie.url}/ops/`)
    await page.getByTestId('line').waitFor()
    expect(await page.getByTestId('dead-letters').count()).toBe(0)

    const [ana] = await vigie.pair()
    using _ana = connectClient(vigie.url, ana.token)
    const letter = page.getByTestId('dead-letter')
    await letter.waitFor()
    expect(await letter.innerText()).toMatch(
      new RegExp(`user.online ${ana.userId} → crm[^]*2 attempts · the receiver answered 503`, 'u'),
    )
    expect(new Set(ids).size).toBe(1)
    await page.screenshot({ path: `${PICTURES}ops-dead-letters.png` })
    expect(await flawsOf(page)).toEqual([])

    isWell = true
    await letter.getByRole('button').click()
    await page.getByText('Sending a webhook again needs a key that may act.').waitFor()
    await page.getByTestId('key').fill(KEY)
    await page.getByTestId('key').press('Enter')
    await page.getByTestId('dead-letters').waitFor({ state: 'detached' })
    expect(await page.getByTestId('said').textContent()).toBe('The webhook is being sent again.')
    await expect.poll(() => ids.length, { timeout: 20_000 }).toBe(3)
    expect(new Set(ids).size).toBe(1)
  },
)
