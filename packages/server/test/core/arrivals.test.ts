import { describe, expect, it } from 'vitest'
import { story } from '../support/story.js'

const names = Array.from({ length: 12 }, (_, place) => `p${place}`)
const people = Object.fromEntries(names.map((name) => [name, { groups: ['g'] }]))
const settings = {
  windowMs: 20,
  massArrivalMinSessions: 4,
  massArrivalShare: 0.05,
  massArrivalWindowMs: 500,
}

function start(extra: object = {}) {
  const s = story(people, { ...settings, ...extra })
  const first = s.connect('p0')
  s.wait(2_000)
  s.hear(first)
  return { ...s, first }
}

describe('when many arrive at once', () => {
  it('whoever is there hears of them once in a window, in one go', () => {
    const s = start()
    for (const name of names.slice(1, 5)) s.connect(name)
    // The first came before they were many: she was told at once, and of the others when her window was over.
    s.wait(20)
    expect(s.hear(s.first)).toEqual(['p1 1', 'p2 1', 'p3 1', 'p4 1'])
    for (const name of names.slice(5, 9)) {
      s.connect(name)
      s.wait(50)
    }
    expect(s.hear(s.first)).toEqual([])
    s.wait(300)
    expect(s.hear(s.first)).toEqual(['p5 1', 'p6 1', 'p7 1', 'p8 1'])
  })

  it('and once they do so no more, as soon as ever', () => {
    const s = start()
    for (const name of names.slice(1, 6)) s.connect(name)
    s.wait(5_000)
    s.hear(s.first)
    s.connect('p6')
    s.wait(20)
    s.connect('p7')
    s.wait(20)
    expect(s.hear(s.first)).toEqual(['p6 1', 'p7 1'])
  })

  it.each([
    ['few of those who are there', { massArrivalShare: 0.9 }],
    ['fewer than so many', { massArrivalMinSessions: 100 }],
  ])('%s are not many', (_, extra) => {
    const s = start(extra)
    for (const name of names.slice(1, 5)) {
      s.connect(name)
      s.wait(20)
    }
    for (const name of names.slice(5, 8)) {
      s.connect(name)
      s.wait(20)
      expect(s.hear(s.first).at(-1)).toBe(`${name} 1`)
    }
  })

  it('a window that is longer already stays', () => {
    const s = start({ windowMs: 2_000 })
    for (const name of names.slice(1, 6)) s.connect(name)
    s.wait(500)
    s.hear(s.first)
    s.connect('p6')
    s.wait(1_400)
    expect(s.hear(s.first)).toEqual([])
    s.wait(2_000)
    expect(s.hear(s.first)).toContain('p6 1')
  })
})
