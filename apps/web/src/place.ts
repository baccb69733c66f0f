/** Where in the page one is: in the address, so that the browser's own back button, and a phone's, go back. */
import { useSyncExternalStore } from 'react'

export type Place =
  | { readonly screen: 'list' }
  | { readonly screen: 'conversation' | 'members'; readonly id: string }
  | { readonly screen: 'group'; readonly id: string }

const LIST: Place = { screen: 'list' }

/** The place that an address names; whatever it cannot name is the list. */
export function placeOf(hash: string): Place {
  const [, kind, id = '', members] = /^#\/([cg])\/([^/]+)(\/members)?$/u.exec(hash) ?? []
  if (kind === undefined) return LIST
  try {
    const decoded = decodeURIComponent(id)
    if (kind === 'g') return { screen: 'group', id: decoded }
    return { screen: members === undefined ? 'conversation' : 'members', id: decoded }
  } catch {
    // Somebody typed half an escape sequence into the address.
    return LIST
  }
}

export function hashOf(place: Place): string {
  switch (place.screen) {
    case 'list':
      return '#/'
    case 'conversation':
      return `#/c/${encodeURIComponent(place.id)}`
    case 'members':
      return `#/c/${encodeURIComponent(place.id)}/members`
    case 'group':
      return `#/g/${encodeURIComponent(place.id)}`
  }
}

/** One step out: members → conversation → list. */
export function outOf(place: Place): Place {
  return place.screen === 'members' ? { screen: 'conversation', id: place.id } : LIST
}

export function usePlace(): Place {
  return placeOf(useSyncExternalStore(subscribe, () => location.hash))
}

/** Goes one step out, over the history where the step in is its last entry: then "back" is never a step in. */
export function goOut(from: Place): void {
  const to = hashOf(outOf(from))
  if ((history.state as { from?: string } | null)?.from === to) history.back()
  else location.replace(to)
}

/** Goes to a place, and remembers from where, for {@link goOut}. */
export function goTo(place: Place): void {
  const from = location.hash === '' ? '#/' : location.hash
  const to = hashOf(place)
  if (from === to) return
  history.pushState({ from }, '', to)
  dispatchEvent(new HashChangeEvent('hashchange'))
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener)
  addEventListener('popstate', listener)
  return () => {
    removeEventListener('hashchange', listener)
    removeEventListener('popstate', listener)
  }
}
