import { useCallback, useSyncExternalStore } from 'react'
import { hashOf, placeOf, type Place } from './place.js'

/** The place that the address names, and a way to another: the browser's Back leads out of it. */
export function usePlace(): readonly [Place, (place: Place) => void] {
  const hash = useSyncExternalStore(onHash, () => location.hash)
  const go = useCallback((place: Place) => {
    location.hash = hashOf(place)
  }, [])
  return [placeOf(hash), go]
}

function onHash(listener: () => void): () => void {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}
