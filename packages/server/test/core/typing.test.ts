import { describe, expect, it } from 'vitest'
import { story } from '../support/story.js'

function chat(settings = {}) {
  const s = story({ ann: { conversations: ['c'] }, bob: { conversations: ['c', 'd'] } }, settings)
  const ann = s.connect('ann')
  const bob = s.connect('bob', { device: 'phone' })
  s.wait(100)
  s.hear(ann)
  s.hear(bob)
  return { s, ann, bob }
}

describe('typing', () => {
  it('is told to the others of the conversation, and not to the typist', () => {
    const { s, ann, bob } = chat()
    s.type(bob, 'c')
    expect(s.hear(ann)).toEqual(['bob types in c'])
    expect(s.hear(bob)).toEqual([])
  })

  it('that is repeated is told once, and lasts', () => {
    const { s, ann, bob } = chat()
    for (let i = 0; i < 20; i++) {
      s.type(bob, 'c')
      s.wait(3_000)
    }
    expect(s.hear(ann)).toEqual(['bob types in c'])
  })

  it('at a hundred key presses a second is one frame for each recipient', () => {
    const { s, ann, bob } = chat()
    for (let i = 0; i < 1_000; i++) {
      s.type(bob, 'c')
      s.wait(10)
    }
    expect(s.hear(ann)).toEqual(['bob types in c'])
  })

  it('on two devices ends with the last', () => {
    const { s, ann, bob } = chat()
    const laptop = s.connect('bob', { device: 'laptop' })
    s.type(bob, 'c')
    s.type(laptop, 'c')
    s.wait(100)
    s.hear(ann)
    s.stopTyping(bob, 'c')
    s.wait(100)
    expect(s.hear(ann)).toEqual([])
    s.stopTyping(laptop, 'c')
    expect(s.hear(ann)).toEqual(['bob stops in c'])
  })

  it('in a conversation that one is not in is refused alike, whether or not it exists', () => {
    const { s, ann } = chat()
    expect(s.type(ann, 'd')).toEqual([{ type: 'refused', code: 'not_member' }])
    expect(s.type(ann, 'no such conversation')).toEqual([{ type: 'refused', code: 'not_member' }])
    expect(s.stopTyping(ann, 'd')).toEqual([{ type: 'refused', code: 'not_member' }])
  })

  it('by a session that has ended is refused', () => {
    const { s, bob } = chat()
    s.disconnect(bob)
    expect(s.type(bob, 'c')).toEqual([{ type: 'refused', code: 'session_ended' }])
  })
})

type Chat = ReturnType<typeof chat>
describe('typing ends for the others', () => {
  const endings: [string, (chat: Chat) => void][] = [
    ['by a stop', ({ s, bob }) => s.stopTyping(bob, 'c')],
    ['by the host', ({ s }) => s.hostStopTyping('bob', 'c')],
    ['by the host, everywhere', ({ s }) => s.hostStopTyping('bob')],
    ['by a lost connection, though its owner stays online', ({ s, bob }) => s.lose(bob)],
    ['in another conversation', ({ s, bob }) => s.type(bob, 'd')],
    ['by going to the background', ({ s, bob }) => s.background(bob, 10_000)],
    ['by the end of the token', ({ s, bob }) => s.apply({ type: 'expires', sessionId: bob as never, at: 0 })],
    ['when the lease is not renewed', ({ s }) => s.wait(8_000)],
  ]
  it.each(endings)('%s', (_, end) => {
    const it = chat()
    it.s.type(it.bob, 'c')
    it.s.wait(100)
    it.s.hear(it.ann)
    end(it)
    expect(it.s.hear(it.ann)).toEqual(['bob stops in c'])
    it.s.wait(4_000)
    expect(it.s.hear(it.ann)).toEqual([])
  })

  const departures: [string, (chat: Chat) => void][] = [
    ['by a leave', ({ s, bob }) => s.leave(bob)],
    ['by a disconnect', ({ s, bob }) => s.disconnect(bob)],
    ['by a kick', ({ s }) => s.kick('bob')],
    ['by the loss of the row', ({ s }) => s.rows('bob', { conversations: ['d'] })],
  ]
  it.each(departures)('%s, before they are seen to go', (_, depart) => {
    const it = chat()
    it.s.type(it.bob, 'c')
    it.s.wait(100)
    it.s.hear(it.ann)
    depart(it)
    expect(it.s.hear(it.ann)).toEqual(['bob stops in c', 'bob 0 in c'])
  })
})

describe('going to the background', () => {
  it('is not taken back by a stop, which a field that loses the focus sends', () => {
    const { s, bob } = chat()
    s.background(bob, 30_000)
    s.stopTyping(bob, 'c')
    s.lose(bob)
    s.wait(29_999)
    expect(s.get('bob').online).toBe(true)
  })

  it('is taken back by coming to the foreground', () => {
    const { s, bob } = chat()
    s.background(bob, 30_000)
    s.apply({ type: 'foreground', sessionId: bob as never })
    s.lose(bob)
    s.wait(5_000)
    expect(s.get('bob').online).toBe(false)
  })
})

describe('in a conversation above namesMax', () => {
  it('typing ends for the others even if whoever typed is forgotten at once', () => {
    const people = { ann: { conversations: { all: 900 } }, bob: { conversations: { all: 900 } } }
    const s = story(people, { offlineMemoryMs: 0 })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(2_000)
    s.type(bob, 'all')
    s.wait(2_000)
    s.hear(ann)
    s.disconnect(bob)
    s.wait(2_000)
    expect(s.hear(ann)).toContain('bob stops in all')
  })

  it('at most occupancyTypistsMax people are seen to type at a time', () => {
    const people = Object.fromEntries(
      ['ann', 'b', 'c', 'd', 'e'].map((name) => [name, { conversations: { all: 900 } }]),
    )
    const s = story(people, { occupancyTypistsMax: 3 })
    const ann = s.connect('ann')
    const others = ['b', 'c', 'd', 'e'].map((name) => s.connect(name))
    s.wait(2_000)
    s.hear(ann)
    for (const other of others) s.type(other, 'all')
    s.wait(1_000)
    expect(s.hear(ann)).toEqual(['b types in all', 'c types in all', 'd types in all'])
    s.stopTyping(others[0] ?? '', 'all')
    s.wait(1_000)
    expect(s.hear(ann)).toEqual(['b stops in all', 'e types in all'])
  })
})
