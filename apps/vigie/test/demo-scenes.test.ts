import { describe, expect, it } from 'vitest'
import { nextScene, seededRandom, type Office, type Scene, type Whereabouts } from '../src/demo/scenes.js'

const COLLEAGUES = Array.from({ length: 20 }, (_, index) => ({
  userId: `bot-${index}`,
  conversations: ['cafe', `team-${index % 5}`],
}))

/** The office after each of `count` scenes. Who loses the line is back two scenes later. */
function story(seed: number, count: number) {
  const places = new Map<string, Whereabouts>()
  const returns = new Map<string, number>()
  const office: Office = { colleagues: COLLEAGUES, whereabouts: (userId) => places.get(userId) ?? 'offline' }
  const random = seededRandom(seed)
  const scenes: { scene: Scene; before: Whereabouts | undefined; online: number }[] = []
  for (let index = 0; index < count; index++) {
    for (const [userId, at] of returns) {
      if (at > index) continue
      places.set(userId, 'one device')
      returns.delete(userId)
    }
    const scene = nextScene(office, index, 'cafe', random)
    const before = scene.act === 'rest' ? undefined : office.whereabouts(scene.userId)
    if (scene.act === 'come' || scene.act === 'put the second device away')
      places.set(scene.userId, 'one device')
    if (scene.act === 'take a second device') places.set(scene.userId, 'two devices')
    if (scene.act === 'leave') places.set(scene.userId, 'offline')
    if (scene.act === 'lose the line') {
      places.set(scene.userId, 'away')
      returns.set(scene.userId, index + 2)
    }
    const online = [...places.values()].filter((place) => place !== 'offline').length
    scenes.push({ scene, before, online })
  }
  return scenes
}

describe('what the bots do', () => {
  it('shows every kind of life', () => {
    const acts = new Set(story(1, 600).map(({ scene }) => scene.act))
    expect([...acts].filter((act) => act !== 'rest').sort()).toEqual([
      ...['come', 'leave', 'lose the line', 'put the second device away', 'take a second device', 'type'],
    ])
  })

  it('is possible where they are: nobody types while away or leaves twice', () => {
    const possible: Readonly<Record<string, readonly (Whereabouts | undefined)[]>> = {
      come: ['offline'],
      leave: ['one device', 'two devices'],
      type: ['one device', 'two devices'],
      'lose the line': ['one device', 'two devices'],
      'take a second device': ['one device'],
      'put the second device away': ['two devices'],
      rest: [undefined],
    }
    for (const { scene, before } of story(2, 1_000)) expect(possible[scene.act]).toContain(before)
  })

  it('never lets three scenes pass without somebody typing where all can see it', () => {
    const scenes = story(3, 300).slice(1)
    for (let start = 0; start + 3 <= scenes.length; start += 3) {
      const three = scenes.slice(start, start + 3)
      expect(three.some(({ scene }) => scene.act === 'type' && scene.conversationId === 'cafe')).toBe(true)
    }
  })

  it('keeps the office busy', () => {
    const settled = story(4, 1_000).slice(60)
    expect(Math.min(...settled.map(({ online }) => online))).toBeGreaterThanOrEqual(COLLEAGUES.length / 3)
  })

  it('is the same story for the same seed, and another for another', () => {
    expect(story(5, 200)).toEqual(story(5, 200))
    expect(story(5, 200)).not.toEqual(story(6, 200))
  })
})
