/** All the clients: who is connected, what they are told, and how they come back. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gathering, GeneratorOptions, Traffic } from './generator.js'
import { openLine, type Line } from './line.js'
import { createNews, type News } from './news.js'
import { createRandom } from './random.js'
import { signToken } from './token.js'
import { createViews } from './views.js'
import { userName, type WorldSpec } from './world.js'

export interface Crowd {
  readonly world: WorldSpec
  readonly news: News
  /** Connects everybody, at most `inFlight` handshakes at a time, and waits for quiet. */
  gather(inFlight: number, timeoutMs: number): Promise<Gathering>
  isLive(user: number): boolean
  /** When the user was let in, `performance.now()`. */
  liveSince(user: number): number
  come(user: number): void
  leave(user: number): void
  lose(user: number): void
  send(user: number, text: string): void
  echo(user: number): void
  /** Brings everybody back and waits for quiet. */
  settle(timeoutMs: number): Promise<{ readonly missing: number; readonly dropped: number }>
  traffic(): Traffic
  wrongViews(): number
  leaks(): number
}

interface Client {
  readonly user: number
  readonly name: string
  token: string
  line: Line | undefined
  /** It should be connected: when its connection ends, it tries again. */
  isWanted: boolean
  isLive: boolean
  liveSince: number
  attempts: number
  echoedAt: number
}

/** No frame for this long: everything has been said. */
const QUIET_MS = 1_000
const LOOK_MS = 20
/** A refused client comes back after a random part of this, doubled with each refusal … */
const RETRY_MS = 250
/** … up to this. */
const RETRY_MAX_MS = 4_000
const PATH = '/socket.io/?EIO=4&transport=websocket'

export function createCrowd({ port, world, protocol }: GeneratorOptions): Crowd {
  const news = createNews(world.users)
  const views = createViews(world)
  const clients = Array.from({ length: world.users }, (_, user): Client => {
    const name = userName(user)
    return {
      user,
      name,
      token: signToken(name),
      line: undefined,
      isWanted: false,
      isLive: false,
      liveSince: 0,
      attempts: 0,
      echoedAt: 0,
    }
  })
  let frames = 0
  let bytes = 0
  let lastFrameAt = 0
  let live = 0
  let refused = 0
  let dropped = 0
  let onSettled: (client: Client) => void = () => {}

  function open(client: Client): void {
    const line = openLine(port, PATH, {
      open() {},
      text(text, size, readAt) {
        if (client.line === line) hear(client, text, size, readAt)
      },
      ended() {
        if (client.line === line) ended(client)
      },
    })
    client.line = line
  }

  function ended(client: Client): void {
    const wasLive = client.isLive
    client.line = undefined
    setLive(client, false)
    if (!client.isWanted) return
    if (wasLive) dropped++
    else refused++
    client.attempts++
    const longest = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** client.attempts)
    setTimeout(
      () => {
        if (client.isWanted && !client.line) open(client)
      },
      longest * (0.5 + Math.random() / 2),
    )
  }

  function setLive(client: Client, isLive: boolean): void {
    if (client.isLive === isLive) return
    client.isLive = isLive
    live += isLive ? 1 : -1
    if (isLive) onSettled(client)
  }

  function hear(client: Client, text: string, size: number, readAt: number): void {
    switch (text.charCodeAt(0)) {
      case 0x30: // 0: Engine.IO's handshake
        news.comes(client.user)
        client.line?.send(`40${JSON.stringify({ token: client.token, ...(protocol === 2 && { protocol }) })}`)
        return
      case 0x32: // 2: ping
        client.line?.send('3')
        return
      case 0x34: // 4: a packet of Socket.IO
        hearPacket(client, text, size, readAt)
    }
  }

  function hearPacket(client: Client, text: string, size: number, readAt: number): void {
    switch (text.charCodeAt(1)) {
      case 0x30: // 0: let in
        client.attempts = 0
        client.liveSince = readAt
        views.clear(client.user)
        setLive(client, true)
        return
      case 0x31: // 1: sent away
      case 0x34: // 4: refused
        client.line?.cut()
        return
      case 0x32: // 2: an event
        frames++
        bytes += size
        lastFrameAt = readAt
        hearEvent(client, text, readAt)
        return
      case 0x33: // 3: an acknowledgement
        news.echoed(readAt - client.echoedAt)
    }
  }

  /** By the letters that tell the events apart: parsing each one as JSON would cost more than sending it did. */
  function hearEvent(client: Client, text: string, readAt: number): void {
    const letter = text.charCodeAt(NAME_TELLS)
    if (text.charCodeAt(NAME_STARTS) === 0x74) {
      hearTyping(text, letter === 0x61, readAt) // typing:st[a]rt
      return
    }
    switch (letter) {
      case 0x75: // presence:[u]pdate
      case 0x63: // presence:[c]onversation
        learn(client, numberAfter(text, '"userId":"u'), numberAfter(text, '"count":'), readAt)
        return
      case 0x73: // presence:[s]tate
        for (const [name, count] of usersOfState(text)) learn(client, Number(name.slice(1)), count, readAt)
        return
      case 0x64: // presence:[d]iff, presence:[d]evices
        if (text.startsWith('diff', NAME_TELLS)) hearDiff(client, text, readAt)
    }
  }

  function hearTyping(text: string, isStart: boolean, readAt: number): void {
    const from = text.indexOf('"convId":"') + '"convId":"'.length
    news.toldTyping(text.slice(from, text.indexOf('"', from)), isStart, readAt)
  }

  function hearDiff(client: Client, text: string, readAt: number): void {
    const [, diff] = JSON.parse(text.slice(2)) as [string, Diff]
    for (const [name, count] of diff.users ?? []) learn(client, Number(name.slice(1)), count, readAt)
    for (const { id, typing } of diff.conversations ?? []) {
      if (typing) news.toldTyping(id, typing.length > 0, readAt)
    }
  }

  function learn(client: Client, subject: number, count: number, readAt: number): void {
    views.learn(client.user, subject, count > 0)
    news.toldPresence(subject, count > 0, client.liveSince, readAt)
  }

  async function quiet(until: number): Promise<void> {
    while (performance.now() < until) {
      const isQuiet = performance.now() - lastFrameAt >= QUIET_MS
      if (isQuiet && clients.every(({ isWanted, isLive }) => isWanted === isLive)) return
      await sleep(LOOK_MS)
    }
  }

  const at = (user: number): Client => {
    const client = clients[user]
    if (!client) throw new RangeError(`There is no user ${user}.`)
    return client
  }
  const missing = () => clients.filter(({ isWanted, isLive }) => isWanted && !isLive).length
  const come = (client: Client) => {
    client.isWanted = true
    if (!client.line) open(client)
  }
  /** Its line is forgotten first: what ends on purpose does not come back. */
  const go = (client: Client, end: (line: Line) => void) => {
    const { line } = client
    client.isWanted = false
    client.line = undefined
    setLive(client, false)
    if (line) end(line)
  }

  return {
    world,
    news,
    async gather(inFlight, timeoutMs) {
      const order = shuffled(clients)
      const startedAt = performance.now()
      let connectedAt = startedAt
      let next = 0
      const more = () => {
        const client = order[next++]
        if (client) come(client)
      }
      onSettled = () => {
        connectedAt = performance.now()
        more()
      }
      for (let started = 0; started < inFlight; started++) more()
      await quiet(startedAt + timeoutMs)
      onSettled = () => {}
      return {
        connectedMs: connectedAt - startedAt,
        settledMs: Math.max(connectedAt, lastFrameAt) - startedAt,
        refused,
        dropped,
        missing: world.users - live,
      }
    },
    isLive: (user) => at(user).isLive,
    liveSince: (user) => at(user).liveSince,
    come: (user) => come(at(user)),
    leave(user) {
      news.leaves(user)
      go(at(user), (line) => line.sendAndClose('41'))
    },
    lose(user) {
      news.isCut(user)
      go(at(user), (line) => line.cut())
    },
    send: (user, text) => at(user).line?.send(text),
    echo(user) {
      const client = at(user)
      client.echoedAt = performance.now()
      client.line?.send('420["echo"]')
    },
    async settle(timeoutMs) {
      const before = dropped
      for (const client of clients) come(client)
      // Coming back is news again only when the first frame has come, so the wait begins now.
      lastFrameAt = performance.now()
      await quiet(performance.now() + timeoutMs)
      return { missing: missing(), dropped: dropped - before }
    },
    traffic: () => ({ frames, bytes }),
    wrongViews: () => views.wrong((user) => clients[user]?.isLive ?? false),
    leaks: () => views.leaks,
  }
}

/** In a storm people come in no order: who belongs together does not come together. The same order in each run. */
function shuffled<Item>(items: readonly Item[]): readonly Item[] {
  const random = createRandom()
  const left = [...items]
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0] as Item)
}

/** What the generator reads of a `presence:diff`. */
interface Diff {
  readonly users?: readonly (readonly [name: string, count: number])[]
  readonly conversations?: readonly { readonly id: string; readonly typing?: readonly string[] }[]
}

/** `42["presence:update"` and `42["typing:start"`: where the name starts, and where one name differs from the next. */
const NAME_STARTS = '42["'.length
const NAME_TELLS = '42["presence:'.length

function numberAfter(text: string, mark: string): number {
  let at = text.indexOf(mark) + mark.length
  let value = 0
  for (;;) {
    const digit = text.charCodeAt(at++) - 0x30
    // Not a number, too, at the end of the text.
    if (!(digit >= 0 && digit <= 9)) return value
    value = value * 10 + digit
  }
}

/** Only the users of a state: its rosters are larger by far, and of no use here. */
function usersOfState(text: string): readonly (readonly [name: string, count: number])[] {
  const from = text.indexOf('"users":') + '"users":'.length
  return JSON.parse(text.slice(from, text.indexOf(']]', from) + 2) || '[]') as [string, number][]
}
