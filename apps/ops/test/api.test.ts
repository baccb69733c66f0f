import { describe, expect, it } from 'vitest'
import { createApi, isOfKey, problemKindOf } from '../src/server/api.js'
import { problemText } from '../src/server/problem.js'
import { en } from '../src/texts/en.js'

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

const problemOf = (respond: () => Response | Promise<Response>) =>
  network(respond)
    .api.client()
    .monitor()
    .then(
      () => undefined,
      (error: unknown) => error,
    )
const refusal = (status: number, code: string) => () =>
  Response.json({ type: '', title: '', status, code, detail: '' }, { status })

describe('the API as the page asks it', () => {
  it('is asked without a key until there is one, and then with it in a header, never in the address', async () => {
    const { api, asked } = network(() => Response.json({ conversations: [] }))
    await api.client().conversations({ limit: 20 })
    api.useKey('s3cret')
    await api.client().explain('a/b', { viewer: 'ben?' })
    expect(asked.map(({ url, init }) => [url, new Headers(init.headers).get('Authorization')])).toEqual([
      ['https://chat.example.org/presence/v1/conversations?order=online&limit=20', null],
      ['https://chat.example.org/presence/v1/users/a%2Fb/explanation?viewer=ben%3F', 'Bearer s3cret'],
    ])
  })

  it('sends a dead letter again, with the key that may act', async () => {
    const { api, asked } = network(() => new Response(null, { status: 202 }))
    await api.resend('msg_1', 'actor')
    await api.resend('msg_2')
    expect(asked.map(({ url, init }) => [url, new Headers(init.headers).get('Authorization')])).toEqual([
      ['https://chat.example.org/presence/v1/webhooks/dead-letters/msg_1/resend', 'Bearer actor'],
      ['https://chat.example.org/presence/v1/webhooks/dead-letters/msg_2/resend', 'Bearer actor'],
    ])
  })

  it('ends sessions with a key of their own, keeps one that the server has taken, and reads on with the other', async () => {
    const keys: (string | null)[] = []
    const api = createApi('https://chat.example.org/', async (_url, init) => {
      const key = new Headers(init?.headers).get('Authorization')
      keys.push(key)
      return key === 'Bearer actor' ? new Response(null, { status: 202 }) : refusal(401, 'key_invalid')()
    })
    api.useKey('reader')
    await expect(api.kick('ana', {})).rejects.toMatchObject({ code: 'key_invalid' })
    await expect(api.kick('ana', { key: 'wrong' })).rejects.toMatchObject({ code: 'key_invalid' })
    await api.kick('ana', { deviceId: 'phone', key: 'actor' })
    await api.kick('ana', {})
    await expect(api.client().monitor()).rejects.toMatchObject({ code: 'key_invalid' })
    expect(keys.map((key) => key?.slice('Bearer '.length))).toEqual([
      'reader',
      'wrong',
      'actor',
      'actor',
      'reader',
    ])
  })

  it('says in one word why there is no answer, by what Vigie or a proxy in front says', async () => {
    const problems = await Promise.all([
      ...(
        [
          [401, 'key_missing'],
          [401, 'key_invalid'],
          [403, 'scope_missing'],
          [403, 'api_closed'],
          [429, 'rate_limited'],
          [503, 'unavailable'],
          [500, 'internal'],
        ] as const
      ).map(([status, code]) => problemOf(refusal(status, code))),
      problemOf(() => new Response('<html>', { status: 503 })),
      problemOf(() => new Response('<html>', { status: 502 })),
      problemOf(() => new Response('<html>', { status: 200 })),
      problemOf(() => Promise.reject(new TypeError('Failed to fetch'))),
    ])
    expect(problems.map(problemKindOf)).toEqual([
      'key_missing',
      'key_wrong',
      'not_allowed',
      'closed',
      'too_many',
      'unavailable',
      'server_error',
      'unavailable',
      'server_error',
      'server_error',
      'no_answer',
    ])
    expect(problems.map(isOfKey)).toEqual([true, true, true, ...Array<boolean>(8).fill(false)])
    expect(problemText(problems[8], en)).toBe('The server answered with an error. Status 502.')
    expect(problemText(problems[10], en)).toBe('The server does not answer.')
  })
})
