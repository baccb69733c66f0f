import { ApiError } from '@vigie/server/http'
import type { Texts } from '../texts/en.js'
import { problemKindOf } from './api.js'

/** What went wrong, for people. The status is named where the sentence says too little. */
export function problemText(problem: unknown, texts: Texts): string {
  const kind = problemKindOf(problem)
  const sentence = texts.problems[kind]
  return kind === 'server_error' && problem instanceof ApiError
    ? `${sentence} ${texts.status(String(problem.status))}`
    : sentence
}
