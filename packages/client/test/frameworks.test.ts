// @vitest-environment happy-dom
/** The guides for Vue, Svelte and Solid: their own code, compiled, on a page in memory, with the client for tests. */
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PresenceClient, PresenceClientOptions } from '../src/index.js'
import { createFakePresence } from '../src/testing/index.js'
import { countedClient } from './support/counted.js'
import { START } from './support/fakes.js'
import { bundleGuide, type Framework } from './support/framework-guide.js'

interface GuideWindow {
  clientOfTheGuide?: (options: PresenceClientOptions) => PresenceClient
}
const page: GuideWindow = globalThis as GuideWindow

describe.for<Framework>(['vue', 'svelte', 'solid'])('the page of the guide for %s', (framework) => {
  let code: string
  let run = 0
  beforeAll(async () => {
    code = await bundleGuide(framework)
  })
  beforeEach(() => {
    document.body.innerHTML = '<div id="app"></div>'
  })
  afterEach(() => {
    delete page.clientOfTheGuide
    // Solid warns of a second Solid in one page; here the page is another one.
    Reflect.deleteProperty(globalThis, 'Solid$$')
  })

  async function open() {
    const presence = createFakePresence({
      state: { name: 'idle' },
      online: ['ann'],
      conversations: { plan: ['ann', 'ben', 'cyd'], lunch: ['ann', 'dan'] },
      typing: { plan: ['ben'], lunch: ['dan'] },
      now: () => START,
    })
    const counted = countedClient(presence)
    const made: PresenceClientOptions[] = []
    page.clientOfTheGuide = (options) => {
      made.push(options)
      return counted.client
    }
    run += 1
    // Another comment is another module: each test has a page of its own.
    await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(`${code}\n// ${run}`)}`)
    const text = (selector: string) => document.querySelector(selector)?.textContent.trim()
    const shown = () => ({
      title: text('h1'),
      online: [...document.querySelectorAll('li')].map((item) => item.textContent),
      typing: text('#typing'),
      friend: text('#friend'),
      status: text('[role=status]'),
    })
    const click = (label: string) => {
      const button = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === label)
      button?.dispatchEvent(new MouseEvent('click', { bubbles: true }))
    }
    return { presence, counted, made, shown, click }
  }

  test('shows who is online, who types and what is not known, and follows each change', async () => {
    const { presence, made, shown, click } = await open()
    expect(made).toEqual([{ url: 'https://chat.example.com', token: expect.any(Function) as unknown }])
    expect(presence.state()).toEqual({ name: 'live' })
    click('plan')
    await vi.waitFor(() => {
      expect(shown()).toEqual({
        title: '1 of 3 online',
        online: ['ann'],
        typing: 'ben typing…',
        friend: '◌ zoe',
        status: undefined,
      })
    })
    presence.setOnline('zoe', true)
    presence.setOnline('ben', true)
    presence.setTyping('plan', [])
    await vi.waitFor(() => {
      expect(shown()).toMatchObject({
        title: '2 of 3 online',
        online: ['ann', 'ben'],
        typing: '',
        friend: '● zoe',
      })
    })
    presence.setState({ name: 'backingOff', untilMs: START, attempt: 1, reason: 'lost' })
    await vi.waitFor(() => {
      expect(shown()).toMatchObject({ title: '2 of 3 online', friend: '◌ zoe', status: 'Connecting…' })
    })
  })

  test('shows another conversation when it is told to, and nothing of the one before', async () => {
    const { presence, shown, click } = await open()
    click('plan')
    await vi.waitFor(() => expect(shown()).toMatchObject({ title: '1 of 3 online' }))
    click('lunch')
    await vi.waitFor(() => expect(shown()).toMatchObject({ title: '1 of 2 online', typing: 'dan typing…' }))
    presence.setTyping('plan', ['cyd'])
    presence.setOnline('dan', true)
    await vi.waitFor(() => {
      expect(shown()).toMatchObject({ title: '2 of 2 online', online: ['ann', 'dan'], typing: 'dan typing…' })
    })
  })

  test('watches whom it shows and tells where its user types, and leaves nothing behind', async () => {
    const { presence, counted, shown, click } = await open()
    const before = counted.listeners()
    click('plan')
    await vi.waitFor(() => expect(presence.watched()).toEqual(['zoe']))
    const field = document.querySelector('input')!
    const type = (text: string) => {
      field.value = text
      field.dispatchEvent(new Event('input', { bubbles: true }))
    }
    type('h')
    expect(presence.ownTyping()).toBe('plan')
    click('lunch')
    await vi.waitFor(() => expect(shown().title).toBe('1 of 2 online'))
    expect(presence.ownTyping()).toBeUndefined()
    type('hi')
    expect(presence.ownTyping()).toBe('lunch')
    const during = counted.listeners()
    expect(during).toBeGreaterThan(before)
    for (const label of ['plan', 'lunch', 'plan']) {
      click(label)
      await vi.waitFor(() => expect(shown().typing).toBe(label === 'plan' ? 'ben typing…' : 'dan typing…'))
    }
    expect([counted.listeners(), counted.watches()]).toEqual([during, 1])
    click('Close')
    await vi.waitFor(() => expect(shown().title).toBeUndefined())
    expect([counted.listeners(), counted.watches(), presence.ownTyping()]).toEqual([before, 0, undefined])
  })
})
