import { describe, expect, it } from 'vitest'
import { keptOrder } from '../src/look/calm-order.js'
import { hashOf, outOf, placeOf, type Place } from '../src/place.js'
import { typingText } from '../src/rooms/typing-text.js'
import { membersInOrder } from '../src/rooms/members-in-order.js'
import { deviceIdOf, deviceKindOf, deviceLabelOf } from '../src/session/device.js'
import { en } from '../src/texts/en.js'
import { fr } from '../src/texts/fr.js'
import { chooseLanguage } from '../src/texts/language.js'

describe('the address', () => {
  it('names each place, whatever characters its id has', () => {
    const places: readonly Place[] = [
      { screen: 'list' },
      { screen: 'conversation', id: 'cafe' },
      { screen: 'members', id: 'a/b c%20#é' },
      { screen: 'group', id: 'group-design' },
    ]
    for (const place of places) expect(placeOf(hashOf(place))).toEqual(place)
  })

  it('is the list where it names nothing', () => {
    for (const hash of ['', '#', '#/c/', '#/x/cafe', '#/c/%E0%A4%A', '#/c/cafe/else']) {
      expect(placeOf(hash)).toEqual({ screen: 'list' })
    }
  })

  it('goes out from the members to the conversation to the list', () => {
    const conversation = outOf({ screen: 'members', id: 'cafe' })
    expect(conversation).toEqual({ screen: 'conversation', id: 'cafe' })
    expect(outOf(conversation)).toEqual({ screen: 'list' })
  })
})

describe('the order of members', () => {
  const { compare } = chooseLanguage(['en'])
  const members = ['Zoë', 'Émile', 'Adam', 'Ève'].map((name) => ({ userId: name, name }))

  it('has who is online first, each part by name as a dictionary would', () => {
    expect(membersInOrder(members, ['Ève', 'Zoë'], compare)).toEqual(['Ève', 'Zoë', 'Adam', 'Émile'])
    expect(membersInOrder(members, [], compare)).toEqual(['Adam', 'Émile', 'Ève', 'Zoë'])
  })

  it('stays as it is while it is held; who is new comes last, who is gone is gone', () => {
    expect(keptOrder(['a', 'b', 'c'], ['c', 'd', 'a'])).toEqual(['a', 'c', 'd'])
  })
})

describe('languages', () => {
  it('are those that the person prefers, else English', () => {
    const languageOf = (...tags: readonly string[]) => chooseLanguage(tags).texts.lang
    expect(languageOf('fr-CA', 'en')).toBe('fr')
    expect(languageOf('nb', 'fr')).toBe('fr')
    expect(languageOf('nb')).toBe('en')
    expect(languageOf()).toBe('en')
  })

  it('survive a tag that is none, as some systems hand through', () => {
    expect(chooseLanguage(['en-US@posix']).time(0)).toMatch(/\d/u)
  })

  it('count, list and date as their speakers do', () => {
    const now = new Date(2026, 4, 5, 9).getTime()
    const french = chooseLanguage(['fr'])
    expect([en.devices(1), en.devices(0), fr.devices(0), fr.devices(2)]).toEqual([
      '1 device',
      '0 devices',
      '0 appareil',
      '2 appareils',
    ])
    expect(french.list(['Ana', 'Ben', fr.others(3)])).toBe('Ana, Ben et 3 autres personnes')
    expect(french.day(now, now)).toBe('Aujourd’hui')
    expect(french.day(new Date(2026, 4, 4, 23).getTime(), now)).toBe('Hier')
    expect(french.day(new Date(2026, 4, 1).getTime(), now)).toBe('vendredi 1 mai')
  })
})

describe('who types', () => {
  it('is named up to three, and counted beyond', () => {
    const english = chooseLanguage(['en-GB'])
    expect(
      [[], ['Ana'], ['Ana', 'Ben', 'Cleo'], ['Ana', 'Ben', 'Cleo', 'Dan']].map((names) =>
        typingText(names, english),
      ),
    ).toEqual(['', 'Ana is typing…', 'Ana, Ben and Cleo are typing…', 'Ana, Ben and 2 others are typing…'])
  })
})

describe('the words', () => {
  it('have one way to write three dots: without a space before them', () => {
    const all = [en, fr].flatMap((texts) => Object.values(texts)).filter((text) => typeof text === 'string')
    expect(all.length).toBeGreaterThan(80)
    expect(all.filter((text) => /\s…/u.test(text))).toEqual([])
  })
})

describe('a device', () => {
  it('keeps its id', () => {
    const kept = new Map<string, string>()
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    }
    const id = deviceIdOf(storage)
    expect(id).toMatch(/^browser-[0-9a-f]{32}$/u)
    expect(deviceIdOf(storage)).toBe(id)
  })

  it('is a phone, a tablet or a computer, by its name', () => {
    const kinds = [
      'Safari · iPhone',
      'Firefox · Android',
      'Phone',
      'Safari · iPad',
      'Chrome · Android tablet',
    ]
    expect(kinds.map(deviceKindOf)).toEqual(['phone', 'phone', 'phone', 'tablet', 'tablet'])
    expect(['Chrome · Linux', 'Laptop', undefined].map(deviceKindOf)).toEqual(Array(3).fill('computer'))
  })

  it('is called by its browser and system', () => {
    expect(deviceLabelOf('Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0')).toBe(
      'Firefox · Android',
    )
    expect(
      deviceLabelOf(
        'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0',
      ),
    ).toBe('Edge · Windows')
    expect(deviceLabelOf('Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 Chrome/140.0')).toBe(
      'Chrome · Android tablet',
    )
    expect(deviceLabelOf('something else')).toBe('Browser')
  })
})
