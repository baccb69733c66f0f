/** Every error of the HTTP API, in one table. The document and the pages are made from it. */
import type { Problem } from '@vigie/server/http'

/** Codes that docs/errors.md has, too, mean the same here. */
export const PROBLEMS = {
  invalid_payload: {
    status: 400,
    title: 'The request is not as described',
    next: 'Correct the field that `detail` names.',
  },
  key_missing: {
    status: 401,
    title: 'A key is needed',
    next: 'Send `Authorization: Bearer <key>` with one of the keys of `apiKeys`.',
  },
  key_invalid: {
    status: 401,
    title: 'The key is not known',
    next: 'Compare it with `VIGIE_API_KEY` and `VIGIE_API_KEYS` of the server.',
  },
  api_closed: {
    status: 403,
    title: 'The API is closed: the server has no key for it',
    next: 'Start the server with `VIGIE_API_KEY`, a long random text.',
  },
  scope_missing: {
    status: 403,
    title: 'The key is not for this',
    next: 'Use a key that has the scope that `detail` names.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing here',
    next: 'Compare the path with `/v1/openapi.json`.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This is not asked in this way',
    next: 'Use one of the methods that the header `Allow` names.',
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    next: 'Send fewer ids at a time.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not said to be JSON',
    next: 'Send `Content-Type: application/json`.',
  },
  rate_limited: {
    status: 429,
    title: 'The key is used too often',
    next: 'Wait for as many seconds as `Retry-After` says; the operator may raise `apiRatePerSecond`.',
  },
  wrong_keys: {
    status: 429,
    title: 'Too many keys that are not known came from this address',
    next: 'Correct the key; wait for as many seconds as `Retry-After` says. A key that is known is let in meanwhile.',
  },
  internal: {
    status: 500,
    title: 'The server failed in a way that it did not foresee',
    next: 'Look into its log; try again later.',
  },
  unavailable: {
    status: 503,
    title: 'This cannot be answered now',
    next: 'Try again after as many seconds as `Retry-After` says: the server starts, or the database is away.',
  },
} as const satisfies Record<
  string,
  { readonly status: number; readonly title: string; readonly next: string }
>

export type ProblemCode = keyof typeof PROBLEMS

/** Ends a request. The detail names what was wrong and never repeats what was sent, which may be huge, or secret. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly code: ProblemCode
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail?: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail ?? `${PROBLEMS[code].title}.`)
    this.code = code
    this.headers = headers
  }
}

/** The answer to a request that ends so. */
export function problemResponse({ code, message: detail, headers }: ApiProblem): Response {
  const { status, title } = PROBLEMS[code]
  const problem: Problem = { type: `/v1/docs#${code}`, title, status, code, detail }
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...headers },
  })
}

/** What a request below `/v1` is answered while the server starts. */
export function startingResponse(): Response {
  return problemResponse(
    new ApiProblem('unavailable', 'Vigie is starting; try again.', { 'Retry-After': '1' }),
  )
}
