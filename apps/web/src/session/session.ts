/** One signed-in person: a presence client, the messages on its connection, and who is who. */
import { createPresenceClient, type SocketPresenceClient } from '@vigie/client'
import { createChat, type Chat } from '../chat/chat.js'
import { fetchMessages, fetchToken, fetchWorld, type Person, type World } from './api.js'
import { deviceIdOf, deviceLabelOf } from './device.js'

export interface Session {
  readonly presence: SocketPresenceClient
  readonly chat: Chat
  readonly world: World
  readonly people: ReadonlyMap<string, Person>
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

/**
 * Signs in, and begins to connect.
 * @throws Error when the server does not answer, or knows nobody of that id.
 */
export async function openSession(userId: string): Promise<Session> {
  const world = await fetchWorld(await fetchToken(userId))
  sessionStorage.setItem(USER_KEY, userId)
  const deviceId = deviceIdOf(localStorage)
  const presence = createPresenceClient({
    url: location.origin,
    token: () => fetchToken(userId),
    deviceId,
    label: deviceLabelOf(navigator.userAgent),
  })
  const chat = createChat({
    socket: presence.socket,
    history: async () => fetchMessages(await fetchToken(userId)),
    storage: sessionStorage,
  })
  const hurry = () => presence.foreground()
  addEventListener('online', hurry)
  presence.connect()
  return {
    presence,
    chat,
    world,
    people: peopleIn(world),
    deviceId,
    unsent: new Map(),
    end(scope) {
      sessionStorage.clear()
      removeEventListener('online', hurry)
      chat.close()
      // Without a connection nobody can be told; the server's grace tells the others then.
      presence.leave({ scope }).catch(() => presence.close())
    },
  }
}

function peopleIn({ me, conversations, groups }: World): ReadonlyMap<string, Person> {
  const people = [...conversations, ...groups].flatMap(({ members }) => members)
  return new Map([...people, me].map((person) => [person.userId, person]))
}
