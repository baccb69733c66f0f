import { describe, expect, it } from 'vitest'
import { createGate, type Turn } from '../../src/socketio/admission.js'

const SETTINGS = { admittingMax: 2, pendingMax: 1_000, admissionLagMs: 250, admissionWaitMs: 10_000 }

/** A gate with a clock, a lateness, and connections that have names. */
function gateWith(settings: Partial<typeof SETTINGS> = {}) {
  const world = { now: 5_000, lateMs: 0 }
  const gate = createGate({
    settings: { ...SETTINGS, ...settings },
    now: () => world.now,
    lateMs: () => world.lateMs,
  })
  const turns = new Map<string, Turn>()
  const decided: string[] = []
  return {
    ...world,
    gate,
    /** Whether each had a place. */
    enter: (...names: string[]) =>
      names.map((name) => {
        const turn = gate.enter()
        if (!turn) return false
        turn.decided = () => decided.push(name)
        turns.set(name, turn)
        return true
      }),
    leave(name: string) {
      const turn = turns.get(name)
      if (turn) gate.leave(turn)
    },
    /** What became of each. */
    states: () => Object.fromEntries([...turns].map(([name, { state }]) => [name, state])),
    /** Who was called since it was last asked, in order. */
    called: () => decided.splice(0),
    /** Those whom the gate could still call: each knows its connection. */
    callbacks: () => [...turns].filter(([, turn]) => turn.decided !== undefined).map(([name]) => name),
    beat(lateMs = 0) {
      world.lateMs = lateMs
      gate.look()
    },
    late(ms: number) {
      world.lateMs = ms
    },
    wait(ms: number) {
      world.now += ms
    },
  }
}

describe('the gate', () => {
  it('admits so many at a time at once, and the others in order of coming as places become free', () => {
    const door = gateWith({ admittingMax: 2 })
    door.enter('a', 'b', 'c', 'd', 'e')
    expect(door.states()).toEqual({ a: 'admitted', b: 'admitted', c: 'waits', d: 'waits', e: 'waits' })
    expect(door.called()).toEqual([])
    door.leave('b')
    expect(door.called()).toEqual(['c'])
    door.leave('a')
    door.leave('c')
    expect(door.called()).toEqual(['d', 'e'])
  })

  it('lets nobody past those who wait', () => {
    const door = gateWith({ admittingMax: 1 })
    door.enter('a', 'b')
    door.late(1_000)
    door.leave('a')
    door.late(0)
    // There is room, but b was there first.
    door.enter('c')
    expect(door.states()).toMatchObject({ b: 'waits', c: 'waits' })
    door.beat()
    expect(door.called()).toEqual(['b'])
  })

  it('holds people back while the loop is later than admissionLagMs, but for one at each beat', () => {
    const door = gateWith({ admittingMax: 100, admissionLagMs: 250 })
    door.late(250)
    door.enter('a')
    expect(door.states()).toEqual({ a: 'admitted' })
    door.late(251)
    door.enter('b', 'c', 'd', 'e', 'f')
    expect(door.states()).toMatchObject({ b: 'waits', f: 'waits' })
    door.leave('a')
    expect(door.called()).toEqual([])
    door.beat(400)
    expect(door.called()).toEqual(['b'])
    door.beat(4_000)
    expect(door.called()).toEqual(['c'])
    door.beat(250)
    expect(door.called()).toEqual(['d', 'e', 'f'])
  })

  it('never has more than admittingMax under way, however often it looks', () => {
    const door = gateWith({ admittingMax: 1 })
    door.enter('a', 'b')
    door.beat()
    door.beat(1_000)
    expect(door.states()).toEqual({ a: 'admitted', b: 'waits' })
  })

  it('has no place for more than pendingMax, whether they wait or are under way', () => {
    const door = gateWith({ admittingMax: 1, pendingMax: 3 })
    expect(door.enter('a', 'b', 'c', 'd')).toEqual([true, true, true, false])
    door.leave('c')
    expect(door.enter('e', 'f')).toEqual([true, false])
    door.leave('a')
    expect(door.enter('g', 'h')).toEqual([true, false])
  })

  it('sends away whoever has waited admissionWaitMs, and nobody earlier', () => {
    const door = gateWith({ admittingMax: 1, pendingMax: 3, admissionWaitMs: 10_000 })
    door.enter('a', 'b')
    door.wait(1)
    door.enter('c')
    door.wait(9_998)
    door.beat()
    expect(door.called()).toEqual([])
    door.wait(1)
    door.beat()
    expect(door.states()).toEqual({ a: 'admitted', b: 'sentAway', c: 'waits' })
    expect(door.called()).toEqual(['b'])
    // Its place is free again.
    expect(door.enter('d', 'e')).toEqual([true, false])
  })

  it('forgets whoever goes away while they wait', () => {
    const door = gateWith({ admittingMax: 1, pendingMax: 3 })
    door.enter('a', 'b', 'c')
    door.leave('b')
    door.leave('a')
    expect(door.called()).toEqual(['c'])
    door.leave('c')
    // Leaving twice frees no second place.
    door.leave('c')
    door.leave('b')
    expect(door.enter('d', 'e', 'f', 'g')).toEqual([true, true, true, false])
    expect(door.states()).toMatchObject({ d: 'admitted', e: 'waits' })
  })

  it('says how long the oldest of those whom it held back has been there, until it is through', () => {
    const door = gateWith({ admittingMax: 1 })
    door.enter('a')
    door.wait(7_000)
    // Whoever came in at once may take long for reasons of its own.
    expect(door.gate.delayMs()).toBeUndefined()
    door.enter('b')
    expect(door.gate.delayMs()).toBe(0)
    door.wait(300)
    door.enter('c')
    door.wait(100)
    expect(door.gate.delayMs()).toBe(400)
    // Its checks run now, and its grace, too.
    door.leave('a')
    expect(door.gate.delayMs()).toBe(400)
    door.leave('b')
    expect(door.gate.delayMs()).toBe(100)
    door.leave('c')
    expect(door.gate.delayMs()).toBeUndefined()
  })

  it('that is opened admits everybody who waits', () => {
    const door = gateWith({ admittingMax: 1 })
    door.enter('a', 'b', 'c')
    door.late(60_000)
    door.gate.open()
    expect(door.called()).toEqual(['b', 'c'])
  })

  it('keeps no connection in memory once its turn is decided or it has gone', () => {
    const door = gateWith({ admittingMax: 1, pendingMax: 1_000 })
    const names = Array.from({ length: 300 }, (_, i) => `p${i}`)
    door.enter('first', ...names)
    // A third goes away while it waits, a third is admitted and leaves, a third is sent away.
    for (const [i, name] of names.entries()) if (i % 3 === 1) door.leave(name)
    door.leave('first')
    for (let i = 0; i < 100; i++) for (const name of door.called()) door.leave(name)
    door.enter('last')
    door.wait(10_000)
    door.beat(60_000)
    const states = Object.values(door.states())
    expect([new Set(states), states.length]).toEqual([new Set(['over', 'sentAway', 'admitted']), 302])
    expect(door.callbacks()).toEqual([])
  })

  it('keeps its order over a long line of which many have gone', () => {
    const door = gateWith({ admittingMax: 1, pendingMax: 10_000 })
    const names = Array.from({ length: 5_000 }, (_, i) => `p${i}`)
    door.enter(...names)
    for (const [i, name] of names.entries()) if (i % 3 === 1) door.leave(name)
    const through: string[] = []
    for (let next: string | undefined = 'p0'; next !== undefined; next = door.called()[0]) {
      through.push(next)
      door.leave(next)
    }
    expect(through).toEqual(names.filter((_, i) => i % 3 !== 1))
  })
})
