import { describe, expect, it } from 'vitest'
import { NO_ROOMS } from '../../src/core/index.js'
import { story } from '../support/story.js'

const friends = () => ({ ann: { conversations: ['c'] }, bob: { conversations: ['c'] } })

/** What `connectionStateRecovery` does when the token is another user's by then. */
function takeId(s: ReturnType<typeof story>, user: string, id: string): void {
  s.apply({ type: 'connect', sessionId: id as never, userId: user as never, rooms: NO_ROOMS, since: 0 })
}

describe('a connection under the id of another user’s session', () => {
  it('takes nothing from that session, whose grace goes on, and is not ended with it', () => {
    const s = story(friends(), { graceMs: 5_000 })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.lose(bob)
    takeId(s, 'cid', bob)
    s.wait(4_000)
    s.hear(ann)
    expect([s.get('bob').count, s.get('cid').count]).toEqual([1, 1])
    s.wait(60_000)
    expect(s.hear(ann)).toEqual(['bob 0 in c'])
    expect([s.get('bob').count, s.get('cid').count]).toEqual([0, 1])
    // It is still known under its id: its loss is heard, and it is not online for ever.
    s.lose(bob)
    s.wait(5_000)
    expect(s.get('cid').count).toBe(0)
    expect(s.closed()).toEqual([])
  })

  it('that is still live loses it, and closes nothing: the id is the new one’s', () => {
    const s = story(friends(), { graceMs: 5_000 })
    const bob = s.connect('bob')
    takeId(s, 'cid', bob)
    s.wait(5_000)
    expect([s.get('bob').count, s.get('cid').count]).toEqual([0, 1])
    expect(s.closed()).toEqual([])
  })
})

describe('a lost connection', () => {
  it('in a tunnel keeps its owner online until the grace is over', () => {
    const s = story(friends(), { graceMs: 5_000 })
    const ann = s.connect('ann')
    const phone = s.connect('bob', { device: 'phone' })
    s.hear(ann)
    s.wait(100)
    s.hear(ann)
    s.lose(phone)
    s.wait(4_999)
    expect(s.hear(ann)).toEqual([])
    s.wait(1)
    expect(s.hear(ann)).toEqual(['bob 0 in c'])
  })

  it('that comes back inside the grace was never away', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const before = s.connect('bob', { device: 'phone' })
    s.wait(100)
    s.hear(ann)
    s.lose(before)
    s.wait(3_000)
    s.connect('bob', { device: 'phone' })
    s.wait(60_000)
    expect(s.hear(ann)).toEqual([])
  })

  it('of a stock client is taken over by its next connection, oldest first', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const first = s.connect('bob')
    const second = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.lose(first)
    s.wait(2_000)
    s.lose(second)
    s.wait(2_000)
    s.connect('bob')
    s.wait(2_000)
    // Had the younger been taken over, the older one's grace would have ended meanwhile.
    expect(s.hear(ann)).toEqual([])
    expect(s.get('bob').count).toBe(2)
    s.wait(1_000)
    expect(s.hear(ann)).toEqual(['bob 1 in c'])
  })

  it('does not give its place to a connection that names a device', () => {
    const s = story(friends())
    const anonymous = s.connect('bob')
    s.lose(anonymous)
    s.connect('bob', { device: 'laptop' })
    expect(s.get('bob').count).toBe(2)
  })

  it('after presence:background has the grace that was asked for, and typing ends at once', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.type(bob, 'c')
    s.wait(100)
    s.hear(ann)
    s.background(bob, 30_000)
    expect(s.hear(ann)).toEqual(['bob stops in c'])
    s.lose(bob)
    s.wait(29_999)
    expect(s.get('bob').online).toBe(true)
    s.wait(1)
    expect(s.get('bob').online).toBe(false)
  })

  it('never has a longer grace than backgroundGraceMaxMs, whatever was asked for', () => {
    const s = story(friends(), { backgroundGraceMaxMs: 10_000 })
    const bob = s.connect('bob')
    s.background(bob, 60_000)
    s.lose(bob)
    s.wait(10_000)
    expect(s.get('bob').online).toBe(false)
  })

  it('among many at once has the re-attach grace, and so have those just before it', () => {
    const people = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, { groups: ['g'] }]))
    const s = story(people, {
      massLossMinSessions: 50,
      massLossShare: 0.1,
      graceMs: 5_000,
      reattachGraceMs: 15_000,
    })
    const sessions = Object.keys(people).map((name) => s.connect(name))
    for (const session of sessions.slice(0, 60)) {
      s.wait(10)
      s.lose(session)
    }
    s.wait(10_000)
    expect(s.get('p0').online).toBe(true)
    expect(s.get('p59').online).toBe(true)
    s.wait(5_000)
    expect(s.get('p0').online).toBe(false)
    expect(s.get('p59').online).toBe(false)
    expect(s.get('p60').online).toBe(true)
  })

  it('keeps a longer grace that it had for itself, in a mass loss too', () => {
    const people = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`p${i}`, { groups: ['g'] }]))
    const s = story(people, { leaveGraceMs: 60_000, reattachGraceMs: 15_000 })
    const sessions = Object.keys(people).map((name) => s.connect(name))
    for (const session of sessions.slice(0, 30)) s.disconnect(session)
    s.wait(59_999)
    expect(s.get('p0').online).toBe(true)
    s.wait(1)
    expect(s.get('p0').online).toBe(false)
  })

  it('on a drain has the re-attach grace', () => {
    const s = story(friends(), { graceMs: 5_000, reattachGraceMs: 15_000 })
    const bob = s.connect('bob')
    s.apply({ type: 'lost', sessionId: bob as never, isDrain: true })
    s.wait(14_999)
    expect(s.get('bob').online).toBe(true)
    s.wait(1)
    expect(s.get('bob').online).toBe(false)
  })
})

describe('a device', () => {
  it('with a second tab is one device, until the last tab is gone', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const tab = s.connect('bob', { device: 'laptop', client: 'page-1' })
    s.wait(100)
    s.hear(ann)
    const other = s.connect('bob', { device: 'laptop', client: 'page-2' })
    s.wait(100)
    s.disconnect(tab)
    s.wait(100)
    expect(s.hear(ann)).toEqual([])
    s.disconnect(other)
    expect(s.hear(ann)).toEqual(['bob 0 in c'])
  })

  it('that is logged out loses all its sessions, and no other device does', () => {
    const s = story(friends())
    const tab = s.connect('bob', { device: 'laptop' })
    const other = s.connect('bob', { device: 'laptop' })
    s.connect('bob', { device: 'phone' })
    s.leave(tab, 'device')
    expect(s.get('bob').count).toBe(1)
    expect(s.closed()).toEqual([`${tab} left`, `${other} logged_out`])
  })

  it('is shown to its owner with its label, and since it first came', () => {
    const s = story(friends())
    const phone = s.connect('bob', { device: 'phone', label: 'Pixel' })
    expect(s.hear(phone)).toContain('devices Pixel')
    s.wait(100)
    const laptop = s.connect('bob', { device: 'laptop', label: 'ThinkPad' })
    expect(s.hear(phone)).toEqual(['bob 2', 'bob 2 in c', 'devices Pixel ThinkPad'])
    expect(s.hear(laptop)).toContain('devices Pixel ThinkPad')
  })
})

describe('the list of devices', () => {
  it('does not change when a page loads anew, a tab closes, or a program comes back', () => {
    const s = story(friends())
    const phone = s.connect('bob', { device: 'phone' })
    s.wait(100)
    const anonymous = s.connect('bob')
    const tab = s.connect('bob', { device: 'laptop' })
    s.wait(100)
    const other = s.connect('bob', { device: 'laptop' })
    s.wait(100)
    s.hear(phone)
    s.lose(anonymous)
    s.wait(100)
    s.connect('bob')
    s.disconnect(tab)
    s.wait(100)
    s.lose(other)
    s.wait(100)
    s.connect('bob', { device: 'laptop' })
    s.wait(60_000)
    expect(s.hear(phone)).toEqual([])
  })
})

describe('a program', () => {
  it('whose old connection has not noticed yet is not there twice', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const before = s.connect('bob', { client: 'page' })
    s.wait(100)
    s.hear(ann)
    s.connect('bob', { client: 'page' })
    s.wait(100)
    expect(s.hear(ann)).toEqual([])
    expect(s.closed()).toEqual([`${before} replaced`])
    // The end of the old connection, when it is noticed at last, means nothing.
    s.lose(before)
    s.wait(60_000)
    expect(s.hear(ann)).toEqual([])
  })
})

describe('an end', () => {
  it('by the client itself is seen at once', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.disconnect(bob)
    expect(s.hear(ann)).toEqual(['bob 0 in c'])
  })

  it('by the client itself waits for leaveGraceMs where that is set', () => {
    const s = story(friends(), { leaveGraceMs: 1_000 })
    const bob = s.connect('bob')
    s.disconnect(bob)
    s.wait(999)
    expect(s.get('bob').online).toBe(true)
    s.wait(1)
    expect(s.get('bob').online).toBe(false)
  })

  it('by a kick is seen at once and closes what is meant, and only that', () => {
    const s = story(friends())
    const phone = s.connect('bob', { device: 'phone' })
    s.connect('bob', { device: 'laptop' })
    s.kick('bob', 'phone')
    expect(s.closed()).toEqual([`${phone} kicked`])
    expect(s.get('bob').count).toBe(1)
    s.kick('bob')
    expect(s.get('bob').online).toBe(false)
  })

  it('of a token is a loss, not a leave', () => {
    const s = story(friends())
    const ann = s.connect('ann')
    const bob = s.connect('bob', { expiresInMs: 10_000 })
    s.wait(100)
    s.hear(ann)
    s.wait(10_000)
    expect(s.closed()).toEqual([`${bob} token_expired`])
    s.connect('bob', { expiresInMs: 10_000 })
    s.wait(6_000)
    expect(s.hear(ann)).toEqual([])
  })

  it('of a token moves with a newer token', () => {
    const s = story(friends())
    const bob = s.connect('bob', { expiresInMs: 10_000 })
    s.apply({ type: 'expires', sessionId: bob as never, at: 1_000 + 20_000 })
    s.wait(19_999)
    expect(s.closed()).toEqual([])
    s.wait(1)
    expect(s.closed()).toEqual([`${bob} token_expired`])
  })

  it('of somebody with as many sessions as allowed lets the next one in only for a lost one', () => {
    const s = story(friends(), { sessionsPerUserMax: 2 })
    const first = s.connect('bob', { device: 'a' })
    s.connect('bob', { device: 'b' })
    const refused = s.connect('bob', { device: 'c' })
    expect(s.closed()).toEqual([`${refused} too_many_sessions`])
    s.lose(first)
    s.connect('bob', { device: 'd' })
    expect(s.closed()).toEqual([`${refused} too_many_sessions`])
    expect(s.get('bob').count).toBe(2)
  })
})

describe('another node', () => {
  const contribution = (devices: string[], seq: number, epoch = '1') =>
    ({ type: 'contribution', node: 'n2', epoch, seq, userId: 'bob' as never, devices }) as const

  it('adds its devices to those here, as a set', () => {
    const s = story(friends())
    s.connect('bob', { device: 'phone' })
    s.apply(contribution(['=phone', '=laptop'], 1))
    expect(s.get('bob').count).toBe(2)
  })

  it('that says something older after something newer is not believed', () => {
    const s = story(friends())
    s.apply(contribution(['=phone'], 2))
    s.apply(contribution([], 1))
    expect(s.get('bob').count).toBe(1)
  })

  it('that dies leaves its people online for the re-attach grace, and whoever comes here does not blink', () => {
    const s = story(friends(), { reattachGraceMs: 15_000 })
    const ann = s.connect('ann')
    s.apply(contribution(['=phone'], 1))
    s.rows('bob', { conversations: ['c'] })
    s.wait(100)
    s.hear(ann)
    s.apply({ type: 'nodeLost', node: 'n2', epoch: '1' })
    s.wait(10_000)
    s.connect('bob', { device: 'phone' })
    s.wait(60_000)
    expect(s.hear(ann)).toEqual([])
  })

  it('that boots anew outdates what it said before', () => {
    const s = story(friends(), { reattachGraceMs: 15_000 })
    s.apply(contribution(['=phone'], 7))
    s.apply({ ...contribution(['=phone'], 1, '2'), userId: 'ann' as never })
    s.wait(15_000)
    expect(s.get('bob').online).toBe(false)
    expect(s.get('ann').online).toBe(true)
  })
})
