import { useEffect, useRef, useState } from 'react'

/**
 * `value` as it was at most `everyMs` ago: the first change shows at once, of many in a row each so often the latest.
 * Another `kind` of value shows in the same frame: what was shown until then is not an older truth but none, as an empty
 * list is before the first one is known.
 */
export function usePaced<Value>(value: Value, everyMs: number, kind?: unknown): Value {
  const [shown, setShown] = useState({ value, kind })
  const shownAt = useRef(-Infinity)
  const isOfKind = Object.is(shown.kind, kind)
  if (!isOfKind) setShown({ value, kind })
  useEffect(() => {
    if (value === shown.value) return undefined
    const show = () => {
      shownAt.current = performance.now()
      setShown({ value, kind })
    }
    const timer = setTimeout(show, Math.max(0, shownAt.current + everyMs - performance.now()))
    return () => clearTimeout(timer)
  }, [value, kind, shown, everyMs])
  return isOfKind ? shown.value : value
}
