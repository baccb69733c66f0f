/** One signed-in person: a presence client, the messages on its connection, and who is who. */
import type { SocketPresenceClient } from '@vigie/client'
import { createAuditedClient } from '@vigie/client/audit'
import { createChat, type Chat } from '../chat/chat.js'
import { fetchMessages, fetchToken, fetchWorld, type Person, type World } from './api.js'
import { deviceIdOf, deviceLabelOf } from './device.js'

export interface Session {
  readonly presence: SocketPresenceClient
  readonly chat: Chat
  readonly world: World
  readonly people: ReadonlyMap<string, Person>
  /** By person, the conversation of the two. */
  readonly directs: ReadonlyMap<string, string>
  readonly deviceId: string
  /** By conversation, what was begun and not sent. */
  readonly unsent: Map<string, string>
  /** Ends it here: others see it at once. `device`: on all tabs of this browser, a log-out. */
  end(scope: 'session' | 'device'): void
}

/** Per tab, so that two windows can be two people. */
const USER_KEY = 'vigie-user'

/** Who this tab was before it was loaded again. */
export function rememberedUser(): string | undefined {
  return sessionStorage.getItem(USER_KEY) ?? undefined
}

/** Nobody is signed in again after the next reload. */
export function forgetUser(): void {
  sessionStorage.clear()
}

/**
 * Signs in and begins to connect. What was said is there when the session is: a list is sorted from its first frame on.
 * @throws Error when the server does not answer, or knows nobody of that id.
 */
export async function openSession(userId: string): Promise<Session> {
  // One token opens both the pages of the server and the first connection, which begins meanwhile.
  let token = fetchToken(userId)
  let isFirst = true
  const freshToken = () => (token = fetchToken(userId))
  const deviceId = deviceIdOf(localStorage)
  const presence = createAuditedClient({
    url: location.origin,
    token: () => {
      const given = isFirst ? token : freshToken()
      isFirst = false
      return given
    },
    deviceId,
    label: deviceLabelOf(navigator.userAgent),
  })
  try {
    const opening = token
    await opening
    presence.connect()
    const [world, said] = await Promise.all([opening.then(fetchWorld), opening.then(fetchMessages)])
    sessionStorage.setItem(USER_KEY, userId)
    const line = presence.select((view) => view.state().name === 'live')
    const chat = createChat({
      socket: presence.socket,
      line: { isUp: () => line.get(), subscribe: (listener) => line.subscribe(listener) },
      history: async () => fetchMessages(await token.catch(freshToken)),
      said,
      storage: sessionStorage,
    })
    return {
      presence,
      chat,
      world,
      people: peopleIn(world),
      directs: directsIn(world),
      deviceId,
      unsent: new Map(),
      end(scope) {
        forgetUser()
        chat.close()
        // Without a connection nobody can be told; the server's grace tells the others then.
        presence.leave({ scope }).catch(() => presence.close())
      },
    }
  } catch (error) {
    presence.close()
    throw error
  }
}

function peopleIn({ me, conversations, groups }: World): ReadonlyMap<string, Person> {
  const people = [...conversations, ...groups].flatMap(({ members }) => members)
  return new Map([...people, me].map((person) => [person.userId, person]))
}

function directsIn({ me, conversations }: World): ReadonlyMap<string, string> {
  const directs = conversations.filter(({ kind }) => kind === 'direct')
  return new Map(
    directs.flatMap(({ id, members }) => {
      const other = members.find(({ userId }) => userId !== me.userId)
      return other ? [[other.userId, id] as const] : []
    }),
  )
}
