import type { Texts } from '../texts/en.js'
import { ApiError } from './api.js'

/** What went wrong, for people. A status that says no more than its sentence is left out. */
export function problemText(problem: unknown, texts: Texts): string {
  if (!(problem instanceof ApiError)) return texts.problems.server_error
  const sentence = texts.problems[problem.kind]
  const { kind, status } = problem
  return kind === 'server_error' && status !== undefined
    ? `${sentence} ${texts.status(String(status))}`
    : sentence
}
