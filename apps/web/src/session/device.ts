/** Which device this is, and what its owner calls it. */

const DEVICE_KEY = 'vigie-device'

/** One id per browser profile: two tabs are one device. The client would make one, too; the page wants to know it. */
export function deviceIdOf(storage: Pick<Storage, 'getItem' | 'setItem'>): string {
  const kept = storage.getItem(DEVICE_KEY)
  if (kept !== null && kept !== '') return kept
  // `randomUUID` is there in secure contexts only, and a demo may be opened over plain HTTP from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const made = `browser-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
  storage.setItem(DEVICE_KEY, made)
  return made
}

type Names = readonly (readonly [name: string, pattern: RegExp])[]

/** In this order: each of them also says that it is those below it. */
const BROWSERS: Names = [
  ['Edge', /Edg(e|A|iOS)?\//u],
  ['Opera', /OPR\//u],
  ['Samsung Internet', /SamsungBrowser\//u],
  ['Firefox', /Firefox\/|FxiOS\//u],
  ['Chrome', /Chrome\/|CriOS\//u],
  ['Safari', /Safari\//u],
]
const SYSTEMS: Names = [
  ['Android', /Android.*Mobile/u],
  ['Android tablet', /Android/u],
  ['iPhone', /iPhone/u],
  ['iPad', /iPad/u],
  ['ChromeOS', /CrOS/u],
  ['Windows', /Windows/u],
  ['Mac', /Mac OS X/u],
  ['Linux', /Linux/u],
]

/** "Firefox · Android": a name for one's own list of devices; others never see it. */
export function deviceLabelOf(userAgent: string): string {
  const named = (names: Names) => names.find(([, pattern]) => pattern.test(userAgent))?.[0]
  return [named(BROWSERS) ?? 'Browser', named(SYSTEMS)].filter((part) => part !== undefined).join(' · ')
}

export type DeviceKind = 'phone' | 'tablet' | 'computer'

/** What sort of thing a device is, by what {@link deviceLabelOf} or another app calls it. */
export function deviceKindOf(label: string | undefined): DeviceKind {
  if (/tablet|iPad/iu.test(label ?? '')) return 'tablet'
  return /Android|iPhone|phone/iu.test(label ?? '') ? 'phone' : 'computer'
}
