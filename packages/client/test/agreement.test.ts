/** One decides both: after whatever happened, stock clients, SDK clients and the engine itself say the same. */
import { describe, expect, test } from 'vitest'
import { emptyPicture, fold, type Picture } from '../../server/src/testing/index.js'
import { startWire, token, type Wire, type WireClient } from '../../server/test/support/wire.js'
import { isLive, openSdk, type Sdk } from './support/sdk.js'

const USERS = ['ann', 'bob', 'cid', 'dan', 'eve']
const GROUPS = ['g1', 'g2']
const CONVERSATIONS = ['c1', 'c2', 'c3', 'c4']
const CLIENTS_MAX = 8
const STEPS = 220
/** Everybody is in it, and one more, who types there when all that was owed before must have come. */
const FENCE = 'fence'

type Client =
  | { readonly kind: 'sdk'; readonly userId: string; readonly sdk: Sdk }
  | { readonly kind: 'stock'; readonly userId: string; readonly stock: WireClient; picture: Picture }

/** The same numbers for the same seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

interface Seen {
  readonly devices: number
  /** Of others: protocol 1 tells everybody their own, with or without a group. */
  readonly inGroups: readonly string[]
  readonly inConversations: readonly string[]
  readonly typing: readonly string[]
}

/** What a user should see, read from the rows and the server's own answers. */
function truthFor(wire: Wire, userId: string, typing: ReadonlySet<string>): Seen {
  const { rows, presence } = wire
  const counts = (members: Iterable<string>) =>
    [...new Set(members)]
      .flatMap((id) => {
        const { count } = presence.get(id)
        return count > 0 ? [`${id} ${count}`] : []
      })
      .sort()
  const places = [...rows.conversationsOf(userId)]
  const inGroups = [...rows.groupsOf(userId)].flatMap((id) => [...rows.membersOfGroup(id)])
  return {
    devices: presence.get(userId).count,
    inGroups: counts(inGroups.filter((id) => id !== userId)),
    inConversations: places.map((id) => `${id}: ${counts(rows.membersOfConversation(id)).join()}`).sort(),
    typing: places
      .flatMap((id) => [...rows.membersOfConversation(id)].map((typist) => `${id} ${typist}`))
      .filter((line) => typing.has(line) && !line.endsWith(` ${userId}`))
      .sort(),
  }
}

function seenBySdk({ client }: Sdk, userId: string): Seen {
  const counts = (ids: Iterable<string>) =>
    [...new Set(ids)]
      .map((id) => {
        const presence = client.presence(id)
        return `${id} ${presence.status === 'known' ? presence.count : 'unknown'}`
      })
      .sort()
  const places = client.conversations()
  const inGroups = client.groups().flatMap((id) => client.getOnlineUsersInGroup(id))
  return {
    devices: client.devices().count,
    inGroups: counts(inGroups.filter((id) => id !== userId)),
    inConversations: places
      .map((id) => `${id}: ${counts(client.getOnlineUsersInConversation(id)).join()}`)
      .sort(),
    typing: places.flatMap((id) => client.typing(id).map((typist) => `${id} ${typist}`)).sort(),
  }
}

/** Whoever is not named is offline; which conversations there are is not told in protocol 1. */
function seenByStock(picture: Picture, userId: string, places: Iterable<string>): Seen {
  const counts = (known: Iterable<readonly [string, number]> = []) =>
    [...known].map(([id, count]) => `${id} ${count}`).sort()
  return {
    devices: picture.devices,
    inGroups: counts([...picture.users].filter(([id]) => id !== userId)),
    inConversations: [...places].map((id) => `${id}: ${counts(picture.conversations.get(id)).join()}`).sort(),
    typing: [...picture.typing]
      .flatMap(([id, typists]) => [...typists].map((typist) => `${id} ${typist}`))
      .sort(),
  }
}

describe('after a random history', () => {
  test.for([1, 2, 3, 4])('of seed %i all that can be asked agree', { timeout: 60_000 }, async (seed) => {
    const random = randomFrom(seed)
    const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
    const everybody = [...USERS, FENCE]
    await using wire = await startWire({
      rows: {
        groups: GROUPS.map((id, n) => [id, USERS.slice(n, n + 3)]),
        conversations: [
          ...CONVERSATIONS.map((id, n) => [id, USERS.slice(n, n + 2)] as const),
          [FENCE, everybody] as const,
        ],
      },
      presence: { graceMs: 20, reattachGraceMs: 20 },
    })
    const typing = new Set<string>()
    wire.presence.on('typing', (event) => {
      const line = `${event.conversationId} ${event.userId}`
      if (event.typing) typing.add(line)
      else typing.delete(line)
    })
    const clients: Client[] = []
    const fence = await wire.connect(FENCE)

    async function connect(kind: Client['kind']): Promise<void> {
      const userId = pick(USERS)
      // Two clients of one user share a device now and then.
      const device = random(2) === 0 ? { deviceId: `device ${random(2)}` } : {}
      if (kind === 'sdk') {
        const sdk = openSdk(wire.url, { token: token(userId), ...device })
        clients.push({ kind, userId, sdk })
        if (random(2) === 0) await sdk.until('live', isLive)
        return
      }
      const stock = wire.client(userId, { auth: device, reconnection: true, reconnectionDelay: 1 })
      const client: Client = { kind, userId, stock, picture: emptyPicture() }
      stock.socket.on('connect', () => (client.picture = emptyPicture()))
      // Before those who look whether the picture is as they wait for it.
      stock.socket.prependAny((name: string, payload: unknown) => {
        fold(client.picture, { name, payload } as never)
      })
      clients.push(client)
      if (random(2) === 0) await stock.until(({ told }) => told.length > 0)
    }

    function end(client: Client): void {
      clients.splice(clients.indexOf(client), 1)
      if (client.kind === 'sdk') client.sdk.client.close()
      else client.stock.socket.disconnect()
    }

    /** As a network does it. Both kinds come back by themselves. */
    async function cut(client: Client): Promise<void> {
      const { socket } = client.kind === 'sdk' ? client.sdk.client : client.stock
      if (!socket.connected) return
      // What is being sent is sent first.
      const isCut = new Promise<void>((resolve) => socket.once('disconnect', () => resolve()))
      socket.io.engine.close()
      await isCut
    }

    function type(client: Client): void {
      const convId = pick(CONVERSATIONS)
      const isStart = random(3) > 0
      if (client.kind === 'sdk') {
        if (isStart) client.sdk.client.startTyping(convId)
        else client.sdk.client.stopTyping(convId)
      } else client.stock.socket.emit(isStart ? 'typing:start' : 'typing:stop', { convId })
    }

    function changeRow(): void {
      const [userId, isAdded] = [pick(USERS), random(2) === 0]
      if (random(3) === 0) {
        if (isAdded) wire.rows.addToGroup(pick(GROUPS), userId)
        else wire.rows.removeFromGroup(pick(GROUPS), userId)
      } else if (isAdded) wire.rows.addToConversation(pick(CONVERSATIONS), userId)
      else wire.rows.removeFromConversation(pick(CONVERSATIONS), userId)
    }

    async function step(): Promise<void> {
      const what = random(10)
      const client = clients[random(Math.max(1, clients.length))]
      if (!client || (what < 2 && clients.length < CLIENTS_MAX))
        await connect(random(2) === 0 ? 'sdk' : 'stock')
      else if (what === 2) end(client)
      else if (what < 5) await cut(client)
      else if (what < 8) type(client)
      else changeRow()
    }

    const isBack = (client: Client) =>
      client.kind === 'sdk'
        ? client.sdk.client.state().name === 'live'
        : client.stock.socket.connected && client.picture.devices > 0

    /** Nobody is on their way, in a grace, or owed anything from before. */
    async function comeToRest(): Promise<void> {
      for (const client of clients) {
        if (client.kind === 'sdk') await client.sdk.until('live', isLive)
        else await client.stock.until(() => isBack(client))
      }
      while (wire.presence.sizes().sessions !== clients.length + 1) await fence.ask('presence:foreground')
      for (const isTyping of [true, false]) {
        await fence.ask(isTyping ? 'typing:start' : 'typing:stop', { convId: FENCE })
        for (const client of clients) {
          if (client.kind === 'sdk') {
            await client.sdk.until('the fence', (view) => view.typing(FENCE).includes(FENCE) === isTyping)
          } else {
            await client.stock.until(
              () => (client.picture.typing.get(FENCE)?.has(FENCE) ?? false) === isTyping,
            )
          }
        }
      }
    }

    let compared = 0
    for (let n = 1; n <= STEPS; n++) {
      await step()
      if (n % 20 !== 0) continue
      await comeToRest()
      for (const client of clients) {
        const seen =
          client.kind === 'sdk'
            ? seenBySdk(client.sdk, client.userId)
            : seenByStock(client.picture, client.userId, wire.rows.conversationsOf(client.userId))
        expect(seen, `${client.kind} of ${client.userId}, step ${n}`).toEqual(
          truthFor(wire, client.userId, typing),
        )
        compared += 1
      }
    }
    expect(compared).toBeGreaterThan(STEPS / 20)
    for (const client of [...clients]) end(client)
  })
})
