import { useLayoutEffect, useRef, type RefObject } from 'react'

const MOVE_MS = 220
/** To measure more rows than this would cost more than the motion is worth. */
const ROWS_MAX = 120

/**
 * Lets rows glide to where a new order puts them, unless the person prefers no motion. Rows have `data-key`, and the
 * element of the ref is what they are positioned in.
 */
export function useReorderMotion<Root extends HTMLElement>(order: readonly string[]): RefObject<Root | null> {
  const ref = useRef<Root>(null)
  const tops = useRef<ReadonlyMap<string, number>>(new Map())
  useLayoutEffect(() => {
    const rows = [...(ref.current?.querySelectorAll<HTMLElement>('[data-key]') ?? [])]
    const before = tops.current
    const isTooMuch = rows.length > ROWS_MAX
    tops.current = new Map(isTooMuch ? [] : rows.map((row) => [keyOf(row), row.offsetTop]))
    if (isTooMuch || matchMedia('(prefers-reduced-motion: reduce)').matches) return
    for (const row of rows) {
      const from = before.get(keyOf(row))
      const to = tops.current.get(keyOf(row))
      if (from === undefined || to === undefined || from === to) continue
      row.animate([{ transform: `translateY(${from - to}px)` }, { transform: 'none' }], {
        duration: MOVE_MS,
        easing: 'ease-out',
      })
    }
  }, [order])
  return ref
}

function keyOf({ dataset: { key = '' } }: HTMLElement): string {
  return key
}
