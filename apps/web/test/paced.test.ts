// @vitest-environment happy-dom
import { act, renderHook } from '@testing-library/react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { usePaced } from '../src/look/use-paced.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('shows a first change at once, and of many in a row each so often the latest', () => {
  const { result, rerender } = renderHook(({ value }) => usePaced(value, 250), { initialProps: { value: 0 } })
  const pass = (ms: number) => {
    act(() => {
      vi.advanceTimersByTime(ms)
    })
  }
  rerender({ value: 1 })
  pass(0)
  expect(result.current).toBe(1)

  const shown = new Set<number>()
  for (let value = 2; value <= 41; value++) {
    rerender({ value })
    pass(25)
    shown.add(result.current)
  }
  // A second of changes, each 25 ms: four of them were shown.
  expect([...shown]).toEqual([1, 11, 21, 31, 41])
  rerender({ value: 42 })
  pass(250)
  expect(result.current).toBe(42)
})

it('shows the first value of another kind in the same frame: an empty list before anything is known is no older truth', () => {
  const shown: string[] = []
  const { rerender } = renderHook(
    ({ value, kind }: { value: readonly string[]; kind: string | undefined }) => {
      shown.push(`${kind ?? 'unknown'}: ${usePaced(value, 250, kind).join()}`)
    },
    { initialProps: { value: [] as readonly string[], kind: undefined as string | undefined } },
  )
  rerender({ value: ['ana', 'ben'], kind: 'names' })
  act(() => {
    vi.advanceTimersByTime(1_000)
  })
  expect(new Set(shown)).toEqual(new Set(['unknown: ', 'names: ana,ben']))
})
