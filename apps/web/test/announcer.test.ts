import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ANNOUNCE_MS, createAnnouncer, type Announcer } from '../src/look/announcer.js'

describe('what a screen reader is told by itself', () => {
  let announcer: Announcer
  let heard: string[]
  beforeEach(() => {
    vi.useFakeTimers()
    announcer = createAnnouncer()
    heard = []
    announcer.subscribe(() => {
      if (announcer.spoken() !== '') heard.push(announcer.spoken())
    })
  })
  afterEach(() => {
    announcer.close()
    vi.useRealTimers()
  })

  it('is at most one sentence in ten seconds, the latest of each matter', () => {
    for (let second = 0; second < 60; second++) {
      announcer.say('typing', `typing ${second}`)
      if (second % 20 === 5) announcer.say('connection', `connection ${second}`)
      vi.advanceTimersByTime(1_000)
    }
    expect(heard).toEqual([
      'typing 0',
      'typing 9 connection 5',
      'typing 19',
      'typing 29 connection 25',
      'typing 39',
      'typing 49 connection 45',
      'typing 59',
    ])
  })

  it('is said at once after a silence', () => {
    announcer.say('typing', 'Ana is typing…')
    vi.advanceTimersByTime(ANNOUNCE_MS)
    vi.advanceTimersByTime(1)
    expect(announcer.spoken()).toBe('')
    announcer.say('typing', 'Ben is typing…')
    vi.advanceTimersByTime(0)
    expect(heard).toEqual(['Ana is typing…', 'Ben is typing…'])
  })

  it('is nothing of what is over before its turn came', () => {
    announcer.say('connection', 'Reconnecting…')
    vi.advanceTimersByTime(1)
    announcer.say('typing', 'Ana is typing…')
    announcer.say('typing', '')
    vi.advanceTimersByTime(3 * ANNOUNCE_MS)
    expect(heard).toEqual(['Reconnecting…'])
  })
})
