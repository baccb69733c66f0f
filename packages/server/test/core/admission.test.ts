import { describe, expect, it } from 'vitest'
import type { UserId } from '@vigie/protocol'
import { story } from '../support/story.js'

const friends = () => ({ ann: { conversations: ['c'] }, bob: { conversations: ['c'] } })
const times = { graceMs: 5_000, reattachGraceMs: 15_000, admissionWaitMs: 10_000 }

function start(settings: object = {}) {
  const s = story(friends(), { ...times, ...settings })
  const ann = s.connect('ann')
  const bob = s.connect('bob', { device: 'phone' })
  s.wait(100)
  s.hear(ann)
  return { ...s, ann, bob, holdBack: (delayMs: number) => s.apply({ type: 'admission', delayMs }) }
}

describe('while people are held back at the door', () => {
  it('a grace that ends goes on for as long as they have waited, so that who is among them does not blink', () => {
    const s = start()
    s.lose(s.bob)
    s.wait(3_000)
    s.holdBack(2_500)
    s.wait(4_499)
    expect(s.hear(s.ann)).toEqual([])
    s.connect('bob', { device: 'phone' })
    s.wait(60_000)
    expect(s.hear(s.ann)).toEqual([])
  })

  it('a grace is put off again and again, but by at most admissionWaitMs in all', () => {
    const s = start()
    s.holdBack(1_000)
    s.lose(s.bob)
    s.wait(6_500)
    s.holdBack(7_000)
    s.wait(8_499)
    expect(s.get('bob').online).toBe(true)
    s.wait(1)
    expect(s.get('bob').online).toBe(false)
  })

  it('each loss may be put off anew', () => {
    const s = start()
    s.holdBack(60_000)
    s.lose(s.bob)
    s.wait(14_999)
    const again = s.connect('bob', { device: 'phone' })
    s.lose(again)
    s.wait(14_999)
    expect(s.get('bob').online).toBe(true)
    s.wait(1)
    expect(s.get('bob').online).toBe(false)
  })

  it('even a grace of nothing is put off, and a lost one that gave way is not missed', () => {
    const s = start({ graceMs: 0 })
    s.holdBack(500)
    s.lose(s.bob)
    s.wait(499)
    s.connect('bob', { device: 'phone' })
    s.wait(60_000)
    expect(s.hear(s.ann)).toEqual([])
  })

  it('whoever leaves is gone at once, and a token ends when it ends', () => {
    const s = start()
    s.holdBack(60_000)
    s.leave(s.bob)
    expect(s.hear(s.ann)).toEqual(['bob 0 in c'])
    const other = s.connect('bob', { expiresInMs: 1_000 })
    s.wait(1_000)
    expect(s.closed()).toContain(`${other} token_expired`)
  })

  it('the people of a lost node have as much longer to come', () => {
    const s = start()
    const cid = 'cid' as UserId
    s.apply({ type: 'contribution', node: 'n', epoch: '1', seq: 1, userId: cid, devices: ['d'] })
    s.apply({ type: 'nodeLost', node: 'n', epoch: '1' })
    s.wait(14_000)
    s.holdBack(4_000)
    s.wait(4_999)
    expect(s.get('cid').online).toBe(true)
    s.holdBack(0)
    s.wait(1)
    expect(s.get('cid').online).toBe(false)
  })

  it('a loss that turns out to be part of a mass loss keeps what it was put off by', () => {
    const people = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`p${i}`, { groups: ['g'] }]))
    const s = story(people, { ...times, massLossMinSessions: 50, massLossShare: 0.1 })
    const sessions = Object.keys(people).map((name) => s.connect(name))
    s.background(sessions[0] ?? '', 1_000)
    s.apply({ type: 'admission', delayMs: 60_000 })
    s.lose(sessions[0] ?? '')
    s.wait(1_000)
    s.apply({ type: 'admission', delayMs: 0 })
    for (const session of sessions.slice(1)) s.lose(session)
    s.wait(23_999)
    expect(s.get('p0').online).toBe(true)
    s.wait(1)
    expect(s.get('p0').online).toBe(false)
  })
})

it('once nobody is held back any more, graces end as ever', () => {
  const s = start()
  s.holdBack(8_000)
  s.lose(s.bob)
  s.wait(4_999)
  s.holdBack(0)
  s.wait(1)
  expect(s.hear(s.ann)).toEqual(['bob 0 in c'])
})
