import { describe, expect, it } from 'vitest'
import { createApi, type ApiError } from '../src/server/api.js'

interface Asked {
  readonly url: string
  readonly init: RequestInit
}

/** A network that answers everything with one response. */
function network(respond: () => Response | Promise<Response>) {
  const asked: Asked[] = []
  const api = createApi('https://chat.example.org/presence/', async (url, init = {}) => {
    asked.push({ url: url as string, init })
    return respond()
  })
  return { api, asked }
}

const problemOf = (asking: Promise<unknown>) =>
  asking.then(
    () => undefined,
    (error: unknown) => error as ApiError,
  )

describe('the API as the page asks it', () => {
  it('is asked without a key until there is one, and then with it in a header, never in the address', async () => {
    const { api, asked } = network(() => Response.json({ conversations: [] }))
    await api.busiest()
    api.useKey('s3cret')
    await api.explain('a/b', 'ben?')
    await api.kick('ana', 'phone')
    await api.kick('ana')
    expect(asked.map(({ url }) => url)).toEqual([
      'https://chat.example.org/presence/v1/conversations?order=online&limit=20',
      'https://chat.example.org/presence/v1/users/a%2Fb/explanation?viewer=ben%3F',
      'https://chat.example.org/presence/v1/users/ana/kick',
      'https://chat.example.org/presence/v1/users/ana/kick',
    ])
    expect(asked.map(({ init }) => new Headers(init.headers).get('Authorization'))).toEqual([
      null,
      'Bearer s3cret',
      'Bearer s3cret',
      'Bearer s3cret',
    ])
    expect(asked.slice(2).map(({ init }) => init.body)).toEqual(['{"deviceId":"phone"}', '{}'])
  })

  it('says in one word why there is no answer', async () => {
    const kinds = await Promise.all(
      [401, 403, 404, 429, 503, 400, 500, 502].map(
        async (status) => (await problemOf(network(() => new Response('', { status })).api.monitor()))?.kind,
      ),
    )
    expect(kinds).toEqual([
      ...(['key_needed', 'not_allowed', 'not_found', 'too_many', 'unavailable'] as const),
      ...(['server_error', 'server_error', 'server_error'] as const),
    ])
    const lost = network(() => Promise.reject(new TypeError('Failed to fetch')))
    expect(await problemOf(lost.api.monitor())).toMatchObject({ kind: 'no_answer' })
    const proxy = network(() => new Response('<html>', { status: 200 }))
    expect(await problemOf(proxy.api.monitor())).toMatchObject({ kind: 'server_error', status: 200 })
  })

  it('hands on how long the server asks to wait', async () => {
    const busy = (value: string) =>
      network(() => new Response('', { status: 429, headers: { 'Retry-After': value } }))
    expect(await problemOf(busy('7').api.monitor())).toMatchObject({ retryAfterMs: 7_000 })
    expect(await problemOf(busy('soon').api.monitor())).toMatchObject({ retryAfterMs: 0 })
  })
})
