import { useEffect, useReducer, useState } from 'react'

export interface Polled<Answer> {
  /** The last answer; it stays while later questions fail. */
  readonly answer: Answer | undefined
  /** When it came. */
  readonly answeredAt: number
  /** Why the last question was not answered. */
  readonly problem: unknown
  /** Asks at once. */
  readonly again: () => void
}

/**
 * Asks when `ask` is another function, and each `everyMs` after an answer while the page is seen; 0 asks once. An answer to
 * an `ask` before is dropped.
 */
export function usePolled<Answer>(ask: () => Promise<Answer>, everyMs: number): Polled<Answer> {
  const [told, setTold] = useState<{
    ask: typeof ask
    answer: Answer | undefined
    answeredAt: number
    problem: unknown
  }>()
  const [turn, again] = useReducer((turns: number) => turns + 1, 0)
  useEffect(() => {
    let isOver = false
    let isAsking = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const poll = async () => {
      // One that is under way when the page is seen again sets the next timer itself.
      if (isAsking) return
      isAsking = true
      clearTimeout(timer)
      try {
        const answer = await ask()
        if (isOver) return
        setTold({ ask, answer, answeredAt: Date.now(), problem: undefined })
      } catch (problem) {
        if (isOver) return
        setTold((before) =>
          before?.ask === ask
            ? { ...before, problem }
            : { ask, answer: undefined, answeredAt: Date.now(), problem },
        )
      }
      isAsking = false
      if (everyMs > 0 && !document.hidden) timer = setTimeout(() => void poll(), everyMs)
    }
    const onVisibility = () => {
      if (document.hidden) clearTimeout(timer)
      else if (everyMs > 0) void poll()
    }
    void poll()
    document.addEventListener('visibilitychange', onVisibility)
    return () => {
      isOver = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisibility)
    }
  }, [ask, everyMs, turn])
  const current = told?.ask === ask ? told : undefined
  return {
    answer: current?.answer,
    answeredAt: current?.answeredAt ?? 0,
    problem: current?.problem,
    again,
  }
}
