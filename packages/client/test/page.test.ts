/** A page's life: what the browser says, and what the server and the person hear of it. */
import { describe, expect, test } from 'vitest'
import type { Page } from '../src/page.js'
import { fakeWorld, settle } from './support/fakes.js'

function fakePage(isPhone: boolean) {
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  let listening = 0
  for (const target of [document]) count(target)
  function count(target: EventTarget) {
    const { addEventListener, removeEventListener } = target
    target.addEventListener = (...given) => {
      listening += 1
      addEventListener.apply(target, given)
    }
    target.removeEventListener = (...given) => {
      listening -= 1
      removeEventListener.apply(target, given)
    }
  }
  const page = Object.assign(new EventTarget(), { document, matchMedia: () => ({ matches: isPhone }) })
  count(page)
  return {
    page: page as unknown as Page,
    listening: () => listening,
    tell: (type: string, fields = {}) => page.dispatchEvent(Object.assign(new Event(type), fields)),
    show(visibilityState: 'visible' | 'hidden') {
      document.visibilityState = visibilityState
      document.dispatchEvent(new Event('visibilitychange'))
    },
    tellDocument: (type: string) => document.dispatchEvent(new Event(type)),
  }
}

async function shown(isPhone = false) {
  const browser = fakePage(isPhone)
  const world = fakeWorld({}, browser.page)
  world.client.connect()
  await settle()
  world.transport.last.live()
  await world.clock.advance(60_000)
  const sent = () => world.transport.last.sent.map(([name]) => name)
  return { ...world, ...browser, sent }
}

describe('a page', () => {
  test('asks its line whether it still lives when the network is back', async () => {
    const { tell, sent } = await shown()
    tell('online')
    expect(sent()).toEqual(['presence:watch'])
  })

  test('does not wait any longer for the next attempt when the network is back', async () => {
    const { tell, transport, clock, client } = await shown()
    clock.chances = [0.999]
    transport.last.lose()
    tell('online')
    await settle()
    expect(transport.links).toHaveLength(2)
    expect(client.state().name).toBe('connecting')
  })

  test('on a phone is in the background while it is hidden', async () => {
    const { show, sent } = await shown(true)
    show('hidden')
    show('visible')
    expect(sent()).toEqual(['presence:background', 'presence:foreground', 'presence:watch'])
  })

  test('on a desktop goes on running while it is hidden: closing it is seen at once', async () => {
    const { show, sent } = await shown(false)
    show('hidden')
    expect(sent()).toEqual([])
    show('visible')
    expect(sent()).toEqual(['presence:watch'])
  })

  test.each([
    ['that is frozen, and resumed', 'freeze', 'resume'],
    ['that is kept aside, and shown again', 'pagehide', 'pageshow'],
  ])('%s is in the background meanwhile', async (_, away, back) => {
    const { tell, tellDocument, sent } = await shown()
    const say = away === 'freeze' ? tellDocument : (type: string) => tell(type, { persisted: true })
    say(away)
    expect(sent()).toEqual(['presence:background'])
    say(back)
    expect(sent()).toEqual(['presence:background', 'presence:foreground', 'presence:watch'])
  })

  test('that unloads leaves nobody in the background: its end is seen as that of any other', async () => {
    const { tell, show, sent } = await shown(true)
    show('hidden')
    tell('pagehide', { persisted: false })
    show('hidden')
    expect(sent()).toEqual(['presence:background', 'presence:foreground'])
  })

  test('is followed from connect until it is over, and not before or after', async () => {
    const browser = fakePage(false)
    const { client } = fakeWorld({}, browser.page)
    expect(browser.listening()).toBe(0)
    client.connect()
    await settle()
    const listening = browser.listening()
    expect(listening).toBeGreaterThan(0)
    client.close()
    expect(browser.listening()).toBe(0)
    client.connect()
    expect(browser.listening()).toBe(listening)
    client.close()
    expect(browser.listening()).toBe(0)
  })
})
