import { useCallback, useSyncExternalStore } from 'react'

/** Two columns fit, as in `base.css`. */
export const WIDE = '(min-width: 45rem)'
/** Three columns fit. */
export const THREE = '(min-width: 68rem)'
/** A pointer that hovers: focusing a text field brings up no keyboard that covers half the screen. */
export const HAS_MOUSE = '(hover: hover)'

export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const list = matchMedia(query)
      list.addEventListener('change', listener)
      return () => list.removeEventListener('change', listener)
    },
    [query],
  )
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches)
}
