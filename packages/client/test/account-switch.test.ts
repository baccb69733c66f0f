/** Nothing of one person's picture is shown to the next one who signs in on the same device. */
import { describe, expect, test } from 'vitest'
import type { ConversationId } from '@vigie/protocol'
import {
  at,
  change,
  count,
  type fakeWorld,
  liveWorld,
  room,
  settle,
  START,
  state,
  token,
} from './support/fakes.js'

const tokenOf = (sub: string, n = 0) => token({ sub, n, iat: START / 1000, exp: START / 1000 + 1_000 })

const ofAlice = () =>
  state({
    at: at(5),
    user: 'alice',
    users: [count('alice', 1), count('carol', 1)],
    conversations: [room<ConversationId>('secret', { roster: [0, 1], typing: ['carol'] })],
  })

/** Alice is live, and Carol is on her screen; `mine` is the token that the app has now. */
async function alice(first: string, options: Parameters<typeof liveWorld>[1] = {}) {
  const app = { mine: first }
  const world = await liveWorld(ofAlice(), { token: () => app.mine, ...options })
  return { ...world, app, world }
}

function shownOf({ client }: Pick<ReturnType<typeof fakeWorld>, 'client'>) {
  const { conversations, getOnlineUsersInConversation, presence } = client
  return [conversations(), getOnlineUsersInConversation('secret'), presence('carol')]
}

/** Carol has stopped typing: nothing of the line is doubted for it. */
const QUIET = { at: at(5), conversations: [change<ConversationId>('secret', { typing: [] })] }

const NOTHING = [[], [], expect.objectContaining({ status: 'unknown', last: undefined })]

describe('after an account switch', () => {
  test.each([
    ['whose tokens name them', tokenOf('alice'), tokenOf('bob')],
    ['whose tokens name nobody', 'opaque 1', 'opaque 2'],
  ])('by close and connect, of people %s, nothing of the first is shown', async (_, first, second) => {
    const { client, transport, app } = await alice(first)
    client.close()
    app.mine = second
    client.connect()
    await settle()
    expect(shownOf({ client })).toEqual(NOTHING)
    expect(transport.last.auth).not.toHaveProperty('since')
    expect(transport.last.auth).not.toHaveProperty('sinceUser')
  })

  test('a log-out and another sign-in: the same', async () => {
    const { client, transport, app } = await alice('opaque 1')
    const left = client.leave({ scope: 'device' })
    transport.last.answer()
    await left
    app.mine = 'opaque 2'
    client.connect()
    await settle()
    expect(shownOf({ client })).toEqual(NOTHING)
    expect(transport.last.auth).not.toHaveProperty('since')
  })

  test('while the connection is away, nothing of the first is shown once the token is there', async () => {
    const { client, transport, app, clock } = await alice(tokenOf('alice'))
    transport.last.lose()
    app.mine = tokenOf('bob')
    await clock.advance(1_000)
    expect(shownOf({ client })).toEqual(NOTHING)
    expect(transport.last.auth).not.toHaveProperty('since')
  })

  test('at a renewal, the connection is left at once, and a new one begins without a picture', async () => {
    const { client, transport, app, clock } = await alice(tokenOf('alice'))
    transport.last.diff(QUIET)
    app.mine = tokenOf('bob')
    await clock.advance(900_000 - 1)
    const [first, second] = transport.links
    expect(first!.end).toBe('left')
    expect(first!.sent).toEqual([])
    expect(shownOf({ client })).toEqual(NOTHING)
    expect(second!.auth).toMatchObject({ token: tokenOf('bob') })
    expect(second!.auth).not.toHaveProperty('since')
  })

  test('at a renewal of tokens that name nobody, the server says so: the same', async () => {
    const naming = (n: number) => token({ n, iat: START / 1000, exp: START / 1000 + 1_000 })
    const { client, transport, app, clock } = await alice(naming(1))
    transport.last.diff(QUIET)
    app.mine = naming(2)
    await clock.advance(825_000)
    transport.last.answer({ ok: false, error: { code: 'token_other_user', message: 'of somebody else' } })
    await settle()
    expect(transport.links.map(({ end }) => end)).toEqual(['left', undefined])
    expect(shownOf({ client })).toEqual(NOTHING)
    expect(transport.last.auth).not.toHaveProperty('since')
  })

  test('those who want events hear that everybody is gone', async () => {
    const told: string[] = []
    const { client, app } = await alice(tokenOf('alice'), {
      onPresenceConversation: (userId, online) => told.push(`${userId} ${online}`),
      onTypingStop: (_, userId) => told.push(`${userId} types no more`),
    })
    told.length = 0
    client.close()
    app.mine = tokenOf('bob')
    client.connect()
    await settle()
    expect(told.sort()).toEqual(['alice false', 'carol false', 'carol types no more'])
  })
})

describe('of the same person', () => {
  test.each([
    ['another token that names them', tokenOf('alice', 1), tokenOf('alice', 2)],
    ['the same token', 'opaque', 'opaque'],
  ])(
    'with %s, close and connect keep the picture, and only what changed is asked for',
    async (_, first, second) => {
      const { client, transport, app } = await alice(first)
      client.close()
      app.mine = second
      client.connect()
      await settle()
      expect(client.conversations()).toEqual(['secret'])
      expect(transport.last.auth).toMatchObject({ since: at(5), sinceUser: 'alice' })
    },
  )

  test('with another token that names nobody, a lost connection keeps the picture: nobody has ended it', async () => {
    const { client, transport, app, clock } = await alice('opaque 1')
    transport.last.lose()
    app.mine = 'opaque 2'
    await clock.advance(1_000)
    expect(client.conversations()).toEqual(['secret'])
    expect(transport.last.auth).toMatchObject({ since: at(5), sinceUser: 'alice' })
  })
})
