import { useEffect, useState } from 'react'

/** True once `isSo` has been true for `delayMs` without a break: what is over sooner is not worth a word. */
export function useDelayed(isSo: boolean, delayMs: number): boolean {
  const [isDue, setIsDue] = useState(false)
  useEffect(() => {
    if (!isSo) return undefined
    const timer = setTimeout(() => setIsDue(true), delayMs)
    return () => {
      clearTimeout(timer)
      setIsDue(false)
    }
  }, [isSo, delayMs])
  return isSo && isDue
}
