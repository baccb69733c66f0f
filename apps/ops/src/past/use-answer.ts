import { ApiError } from '@vigie/server/http'
import { useEffect, useReducer, useState } from 'react'
import { problemKindOf, type ProblemKind } from '../server/api.js'

/** Until a question that failed is asked again, unless the server names another time. */
export const RETRY_MS = 5_000
const SECOND_MS = 1_000
/** These may be over soon, an error of the server's too: its database may be away. The others come again with the same question. */
const PASSING: ReadonlySet<ProblemKind> = new Set(['no_answer', 'unavailable', 'too_many', 'server_error'])

export interface Answered<Answer> {
  /** Also while the next question is asked: then it is that of the one before, and not `isCurrent`. */
  readonly answer: Answer | undefined
  readonly isCurrent: boolean
  readonly problem: unknown
  /** Asks at once. */
  readonly again: () => void
}

interface Told<Answer> {
  readonly ask: () => Promise<Answer>
  readonly answer: Answer | undefined
  readonly problem: unknown
}

/**
 * Asks once `ask` has been the same function for `waitMs`. An answer to an `ask` before is dropped, whenever it comes.
 * After a problem that may pass it asks again.
 */
export function useAnswer<Answer>(ask: () => Promise<Answer>, waitMs: number): Answered<Answer> {
  const [told, setTold] = useState<Told<Answer>>()
  const [turn, again] = useReducer((turns: number) => turns + 1, 0)
  useEffect(() => {
    let isOver = false
    let timer = setTimeout(() => void run(), waitMs)
    async function run(): Promise<void> {
      try {
        const answer = await ask()
        if (!isOver) setTold({ ask, answer, problem: undefined })
      } catch (problem) {
        if (isOver) return
        setTold({ ask, answer: undefined, problem })
        if (PASSING.has(problemKindOf(problem))) timer = setTimeout(retry, retryMsOf(problem))
      }
    }
    /** Nobody waits for the answer while the page is hidden. */
    function retry(): void {
      if (document.hidden) timer = setTimeout(retry, RETRY_MS)
      else void run()
    }
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [ask, waitMs, turn])
  const isCurrent = told?.ask === ask
  return {
    answer: told?.answer,
    isCurrent,
    problem: isCurrent ? told.problem : undefined,
    again,
  }
}

function retryMsOf(problem: unknown): number {
  const seconds = problem instanceof ApiError ? problem.retryAfterSeconds : undefined
  return seconds === undefined ? RETRY_MS : Math.max(SECOND_MS, seconds * SECOND_MS)
}
