import { describe, expect, it } from 'vitest'
import { AUDIT_MIN_MS } from '../../src/core/settings.js'
import { resolveSettings, SETTINGS, type SettingName } from '../../src/core/index.js'

const names = Object.keys(SETTINGS) as SettingName[]

describe('a setting', () => {
  it.each(names)('%s has a default inside its range', (name) => {
    const { default: value, min, max } = SETTINGS[name]
    expect(value).toBeGreaterThanOrEqual(min)
    expect(value).toBeLessThanOrEqual(max)
  })

  it.each(names)('%s outside its range, or of another type, is refused by name', (name) => {
    const { min, max } = SETTINGS[name]
    for (const wrong of [min - 1, max + 1, Number.NaN, '5' as never]) {
      expect(() => resolveSettings({ [name]: wrong }), String(wrong)).toThrow(new RegExp(`^${name} is `))
    }
  })

  it('carries its unit in its name', () => {
    for (const name of names) expect(name.endsWith('Ms'), name).toBe(SETTINGS[name].unit === 'ms')
  })
})

describe('a combination that cannot work is refused with the reason', () => {
  it.each([
    [{ typingLeaseMs: 7_000, typingRepeatMs: 3_000 }, 'would end while somebody types'],
    [{ graceMs: 20_000, reattachGraceMs: 15_000 }, 'at least the ordinary grace'],
    [{ auditMs: AUDIT_MIN_MS - 1 }, 'needs at least 100 ms, and 0 turns it off'],
  ])('%o', (settings, reason) => {
    expect(() => resolveSettings(settings)).toThrow(reason)
  })

  it.each([0, AUDIT_MIN_MS])('a round of the auditor of %d ms can work', (auditMs) => {
    expect(resolveSettings({ auditMs }).auditMs).toBe(auditMs)
  })
})
