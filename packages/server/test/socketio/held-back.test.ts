/** What people notice of the gate: they come in later, or are sent away and come back, and do not blink. */
import { describe, expect, it } from 'vitest'
import { startWire, type WireOptions } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob', 'cid']]] } as const

/**
 * A server whose door is blocked by Eve: one is checked at a time, and the check of her token does not end until
 * `unblock`. A token is a name.
 */
async function startBlocked(presence: WireOptions['presence'] = {}) {
  const arrived: string[] = []
  const checked: string[] = []
  let unblock = () => {}
  const eves = new Promise<void>((resolve) => {
    unblock = resolve
  })
  const wire = await startWire({
    rows,
    before: (io) => {
      io.use(({ handshake }, next) => {
        arrived.push(nameIn(handshake))
        next()
      })
    },
    presence: {
      admittingMax: 1,
      authenticateMs: 60_000,
      authenticate: async ({ handshake }) => {
        const userId = nameIn(handshake)
        checked.push(userId)
        if (userId === 'eve') await eves
        return { userId }
      },
      ...presence,
    },
  })
  const client = (name: string, options = {}) => wire.client(name, { auth: { token: name }, ...options })
  return {
    wire,
    /** Who was checked, in order. */
    checked,
    unblock,
    client,
    block: async () => {
      client('eve')
      await wire.until('the door is blocked', () => checked.includes('eve'))
    },
    /** Comes to the door; resolves once they stand there. */
    async comes(name: string) {
      const before = arrived.length
      const made = client(name)
      await wire.until(`${name} is at the door`, () => arrived.length > before)
      return made
    },
    [Symbol.asyncDispose]: () => wire.close(),
  }
}

function nameIn({ auth }: { readonly auth: unknown }): string {
  return (auth as { token: string }).token
}

describe('whoever is held back', () => {
  it('is let in when it is their turn, in order of coming', async () => {
    await using door = await startBlocked()
    await door.block()
    const bob = await door.comes('bob')
    const cid = await door.comes('cid')
    expect(door.checked).toEqual(['eve'])
    door.unblock()
    await bob.until(({ connections }) => connections === 1)
    await cid.until(({ connections }) => connections === 1)
    expect(door.checked).toEqual(['eve', 'bob', 'cid'])
  })

  it('for admissionWaitMs is sent away, and a stock client comes back by itself until it is let in', async () => {
    await using door = await startBlocked({ admissionWaitMs: 50 })
    await door.block()
    const bob = door.client('bob', { reconnection: true })
    let attempts = 0
    bob.socket.io.on('reconnect_attempt', () => {
      attempts++
    })
    await bob.until(() => attempts >= 2 || bob.refusals.length > 0)
    // Nothing that a stock client would take for a last word: its connection was closed under it.
    expect([bob.refusals, bob.connections, door.checked]).toEqual([[], 0, ['eve']])
    expect(door.wire.log.some(({ fields }) => fields.code === 'overloaded')).toBe(true)
    door.unblock()
    await bob.until(({ connections }) => connections === 1)
  })

  it('for admissionWaitMs is told so if they speak protocol 2, and their connection ends', async () => {
    await using door = await startBlocked({ admissionWaitMs: 50 })
    await door.block()
    const bob = door.client('bob', { auth: { token: 'bob', protocol: 2 } })
    await bob.until(({ refusals }) => refusals.length > 0)
    expect(bob.refusals).toEqual([expect.objectContaining({ code: 'overloaded', retry: 'backoff' })])
    await door.wire.until('his connection has ended', () => door.wire.io.engine.clientsCount === 1)
    expect(door.checked).toEqual(['eve'])
    door.unblock()
  })

  it('and goes away is forgotten, and never checked', async () => {
    await using door = await startBlocked({ pendingMax: 2 })
    await door.block()
    const bob = await door.comes('bob')
    bob.socket.io.engine.close()
    await door.wire.until('bob has gone', () => door.wire.io.engine.clientsCount === 1)
    // The place in the line is free again.
    const cid = await door.comes('cid')
    door.unblock()
    await cid.until(({ connections }) => connections === 1)
    expect(door.checked).toEqual(['eve', 'cid'])
    expect(door.wire.presence.sizes()).toMatchObject({ sessions: 2, connections: 2 })
  })

  it('does not blink: the grace goes on while they wait', async () => {
    await using door = await startBlocked({
      graceMs: 50,
      reattachGraceMs: 50,
      typingRepeatMs: 40,
      typingLeaseMs: 200,
    })
    const { wire } = door
    const ann = door.client('ann')
    const bob = door.client('bob')
    await ann.until('bob 1 in c')
    await door.block()
    await bob.drop()
    const back = await door.comes('bob')
    // A lease of four graces begins and ends meanwhile.
    await ann.ask('typing:start', { convId: 'c' })
    await new Promise<void>((resolve) => {
      wire.presence.on('typing', ({ typing }) => {
        if (!typing) resolve()
      })
    })
    door.unblock()
    await back.until('ann 1 in c')
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    const cid = door.client('cid')
    await ann.until('cid 1 in c')
    expect(ann.hear()).not.toContain('bob 0 in c')
    // And once nobody waits any more, a grace is as long as ever.
    await cid.drop()
    await ann.until('cid 0 in c')
  })
})

describe('nobody is held back', () => {
  it('in shadow mode', async () => {
    await using door = await startBlocked({ emit: false, pendingMax: 1 })
    await door.block()
    const bob = await door.comes('bob')
    await bob.until(({ connections }) => connections === 1)
    await door.wire.until('bob is online', () => door.wire.presence.get('bob').online)
    expect(door.wire.presence.get('eve').online).toBe(false)
  })

  it('any more once presence is closed', async () => {
    await using door = await startBlocked()
    await door.block()
    const bob = await door.comes('bob')
    expect(bob.connections).toBe(0)
    await door.wire.presence.close()
    await bob.until(({ connections }) => connections === 1)
    expect(door.checked).toEqual(['eve'])
  })
})
