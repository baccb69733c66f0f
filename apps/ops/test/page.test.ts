import { describe, expect, it } from 'vitest'
import { CHARTS, indicesOf, promises, SOURCES } from '../src/charts/charts.js'
import { hashOf, placeOf, type Place } from '../src/place.js'
import { chooseLanguage } from '../src/texts/language.js'

describe('the address', () => {
  it('names who is explained, and to whom, whatever characters an id has', () => {
    const places: readonly Place[] = [
      {},
      { userId: 'ana' },
      { userId: 'a/b c%20#é', viewerId: 'seen-by/ben?' },
    ]
    for (const place of places) expect(placeOf(hashOf(place))).toEqual(place)
  })

  it('names nobody where it cannot be read', () => {
    for (const hash of ['', '#', '#/user/', '#/x/ana', '#/user/%E0%A4%A', '#/user/ana/else']) {
      expect(placeOf(hash)).toEqual({})
    }
  })
})

describe('the charts', () => {
  it('know where their numbers stand in a point', () => {
    expect(CHARTS.flatMap(indicesOf)).toEqual(SOURCES.map((_, index) => index))
  })

  it('say which promises are kept: of what was measured, by the slow hundredth', () => {
    const values = SOURCES.map(() => null as number | null)
    expect(promises(values)).toEqual([])
    const set = (id: string, value: number) => {
      const chart = CHARTS.find((each) => each.id === id)!
      values[indicesOf(chart).at(-1)!] = value
    }
    set('group', 0.05)
    set('typing', 0.201)
    set('first_picture', 9)
    expect(promises(values).map(({ chart, isKept }) => [chart.id, isKept])).toEqual([
      ['group', true],
      ['typing', false],
    ])
  })
})

describe('numbers and times', () => {
  it('are written as their readers write them', () => {
    const english = chooseLanguage(['en-GB'])
    const french = chooseLanguage(['fr-FR'])
    expect([0.0123, 0.2, 1.25, 0].map((value) => english.measure(value, 'seconds'))).toEqual([
      '12 ms',
      '200 ms',
      '1.3 s',
      '0 ms',
    ])
    expect(english.measure(84_300_000, 'bytes')).toBe('84 MB')
    expect(french.measure(1_234.56, 'per_second').replaceAll(/\s/gu, ' ')).toBe('1 234,6 /s')
    expect([3_400, 90_000, 7_300_000, 400_000_000, -5].map((ms) => english.duration(ms))).toEqual([
      '3 seconds',
      '1 minute',
      '2 hours',
      '4 days',
      '0 seconds',
    ])
    expect(french.duration(7_300_000)).toMatch(/^2\sheures$/u)
  })

  it('have a date beside a time that was not today', () => {
    const now = new Date(2026, 4, 5, 9).getTime()
    const english = chooseLanguage(['en-GB'])
    expect(english.moment(now, now)).toBe('09:00:00')
    expect(english.moment(new Date(2026, 4, 4, 23, 1, 2).getTime(), now)).toBe('4 May 2026 23:01:02')
  })
})
