/**
 * What the person at the command line can put right. Its message is the whole output: one sentence, no stack.
 * Anything else that is thrown is a fault of ours and is shown with its stack.
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
}

/** The `code` that Node, PostgreSQL and `postgres` put on their errors; empty if there is none. */
export function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

/** What `error` says, in one line. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message || errorCode(error) || error.name : String(error)
}
