/** Lists that sort themselves must not move a row away from under a pointer that is about to click it. */
import { useEffect, useRef, useState } from 'react'

/** A list is held this long after the pointer or the keyboard was last used on it. */
const HOLD_MS = 2_000

export interface Hold {
  readonly isHeld: boolean
  /** For the element whose order is held. */
  readonly handlers: {
    readonly onPointerMove: () => void
    readonly onKeyDown: () => void
    readonly onPointerLeave: () => void
  }
}

export function useHold(): Hold {
  const [isHeld, setIsHeld] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  function hold(): void {
    clearTimeout(timer.current)
    timer.current = setTimeout(release, HOLD_MS)
    setIsHeld(true)
  }
  function release(): void {
    clearTimeout(timer.current)
    setIsHeld(false)
  }
  return { isHeld, handlers: { onPointerMove: hold, onKeyDown: hold, onPointerLeave: release } }
}

/** `wanted`, or while it is held, the order that is shown already. */
export function useCalmOrder(wanted: readonly string[], isHeld: boolean): readonly string[] {
  const [shown, setShown] = useState(wanted)
  const next = isHeld ? keptOrder(shown, wanted) : wanted
  if (next.length === shown.length && next.every((id, place) => id === shown[place])) return shown
  setShown(next)
  return next
}

/** The items of `wanted` in the order of `shown`; those that are new come last. */
export function keptOrder(shown: readonly string[], wanted: readonly string[]): readonly string[] {
  const isWanted = new Set(wanted)
  const isShown = new Set(shown)
  return [...shown.filter((id) => isWanted.has(id)), ...wanted.filter((id) => !isShown.has(id))]
}
