/**
 * Cuts at every byte: a picture of many frames, on a line that ends after N bytes. Whatever N is, the client shows
 * the picture before or the picture after, and is right again once it is back.
 */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { Server } from 'socket.io'
import { describe, expect, test } from 'vitest'
import type { ConversationId, Position, PresenceDiff, PresenceState } from '@vigie/protocol'
import type { PresenceEvent } from '../../server/src/core/index.js'
import { cut } from '../../server/src/socketio/frames.js'
import type { PresenceView } from '../src/index.js'
import { at, change, count, room, state } from './support/fakes.js'
import { openSdk } from './support/sdk.js'

const FRAME_BYTES = 1_500
const ELSEWHERE = 150
const PEOPLE = Array.from({ length: 240 }, (_, n) => `user-${n}`)
const ROOMS = 6
/** Everybody and every room is different in the other picture, so that a mixture of both is neither. */
const PICTURES = { even: 0, odd: 1 } as const
type Parity = keyof typeof PICTURES

const countOf = (n: number, parity: Parity) => (n + PICTURES[parity]) % 3
const roster = (c: number, parity: Parity) =>
  PEOPLE.flatMap((_, n) => (n % ROOMS !== (c + PICTURES[parity]) % ROOMS ? [n] : []))

function stateOf(parity: Parity, position: Position): PresenceState {
  return state({
    at: position,
    users: PEOPLE.map((id, n) => count(id, countOf(n, parity))),
    conversations: Array.from({ length: ROOMS }, (_, c) =>
      room<ConversationId>(`c${c}`, { roster: roster(c, parity), typing: [PEOPLE[PICTURES[parity]]!] }),
    ),
  })
}

/** The way from the other picture to this one. */
function diffTo(parity: Parity, position: Position): PresenceDiff {
  return {
    at: position,
    users: PEOPLE.map((id, n) => count(id, countOf(n, parity))),
    conversations: Array.from({ length: ROOMS }, (_, c) =>
      change<ConversationId>(`c${c}`, {
        roster: roster(c, parity).map((n) => PEOPLE[n]!),
        members: roster(c, parity).length,
        typing: [PEOPLE[PICTURES[parity]]!],
      }),
    ),
  }
}

/** Everything that a view says of people and rooms. Typing is left out: nobody types while disconnected. */
function contentOf(view: PresenceView): string {
  const rooms = [...view.conversations()].sort()
  return JSON.stringify(rooms.map((id) => [id, [...view.getOnlineUsersInConversation(id)].sort()]))
}

function expectedContent(parity: Parity): string {
  const online = (c: number) =>
    roster(c, parity)
      .filter((n) => countOf(n, parity) > 0)
      .map((n) => PEOPLE[n])
      .sort()
  return JSON.stringify(Array.from({ length: ROOMS }, (_, c) => [`c${c}`, online(c)]))
}

/** Says `now()` to each connection. */
async function speaker(now: () => readonly PresenceEvent[]) {
  const http = createHttpServer()
  const io = new Server(http)
  io.on('connection', (socket) => {
    for (const { name, payload } of now()) socket.emit(name, payload)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    port: (http.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => io.close(),
  }
}

/** A line to the server. The next connection ends after `limit` bytes of the server's; those after it do not. */
async function shortLine(serverPort: number) {
  const ends = new Set<Socket>()
  const line = {
    limit: Infinity,
    /** What the newest connection has carried. */
    carried: [] as Buffer[],
    connections: 0,
    url: '',
    cut() {
      for (const end of ends) end.destroy()
    },
    async [Symbol.asyncDispose]() {
      line.cut()
      listener.close()
      await once(listener, 'close')
    },
  }
  const listener = createTcpServer((client) => {
    line.connections += 1
    const server = connect(serverPort, '127.0.0.1')
    const carried: Buffer[] = (line.carried = [])
    let left = line.limit
    line.limit = Infinity
    client.setNoDelay(true)
    for (const end of [client, server]) {
      ends.add(end)
      // An end that breaks takes the other along; `close` follows each error.
      end.on('error', () => end.destroy())
      end.on('close', () => {
        ends.delete(end)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', (bytes) => server.write(bytes))
    server.on('data', (bytes) => {
      carried.push(bytes)
      const part = bytes.subarray(0, left)
      left -= part.length
      if (left > 0) client.write(part)
      // What was carried arrives, and then the end.
      else if (!client.writableEnded) client.end(part)
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  line.url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  return line
}

/** Where WebSocket frames end in what a server has said, the answer to the upgrade before them included. */
function frameEnds(bytes: Buffer): number[] {
  const ends = [bytes.indexOf('\r\n\r\n') + 4]
  for (let place = ends[0]!; place < bytes.length; place = ends.at(-1)!) {
    const short = bytes[place + 1]! & 0x7f
    const [header, length] =
      short < 126
        ? [2, short]
        : short === 126
          ? [4, bytes.readUInt16BE(place + 2)]
          : [10, Number(bytes.readBigUInt64BE(place + 2))]
    ends.push(place + header + length)
  }
  return ends
}

describe.each([
  [
    'snapshot',
    (parity: Parity, position: Position): PresenceEvent => ({
      name: 'presence:state',
      payload: stateOf(parity, position),
    }),
  ],
  [
    'resumption',
    (parity: Parity, position: Position): PresenceEvent => ({
      name: 'presence:diff',
      payload: diffTo(parity, position),
    }),
  ],
])('a %s of many frames', (_, tell) => {
  test('is shown whole or not at all, wherever the connection is cut', async () => {
    let turn = 0
    const parity = (): Parity => (turn % 2 === 0 ? 'even' : 'odd')
    const position = () => at(100_000 + turn)
    let events: readonly PresenceEvent[] = cut(
      { name: 'presence:state', payload: stateOf('even', position()) },
      FRAME_BYTES,
    )
    await using server = await speaker(() => events)
    await using line = await shortLine(server.port)
    using mine = openSdk(line.url, { token: 'token', reconnectBaseMs: 0 })

    const contents = { even: expectedContent('even'), odd: expectedContent('odd') }
    const wrong: string[] = []
    let limit = Infinity
    // What anybody could have seen: asked again at each change of the store.
    const look = (shown: string) => {
      const [name, content] = [shown.slice(0, shown.indexOf(' ')), shown.slice(shown.indexOf(' ') + 1)]
      const isAllowed =
        name === 'live'
          ? content === contents[parity()]
          : content === '[]' || content === contents.even || content === contents.odd
      if (!isAllowed) wrong.push(`cut after ${limit}, ${name}: ${content.slice(0, 200)}`)
    }
    mine.client.subscribe((view) => `${view.state().name} ${contentOf(view)}`, look)
    const settled = (isBack: () => boolean) =>
      mine.until(
        `a whole picture after a cut at byte ${limit}`,
        (view) =>
          view.state().name === 'live' &&
          mine.client.diagnostics().position?.[1] === position()[1] &&
          isBack(),
      )
    await settled(() => true)
    expect(contentOf(mine.client)).toBe(contents.even)

    async function next(cutAfter: number, connections: number): Promise<void> {
      turn += 1
      limit = cutAfter
      events = cut(tell(parity(), position()), FRAME_BYTES)
      const before = line.connections
      line.limit = cutAfter
      line.cut()
      // A view is asked when the store changes, and a return changes it.
      await settled(() => line.connections >= before + connections)
    }

    await next(Infinity, 1)
    const ends = frameEnds(Buffer.concat(line.carried))
    const total = ends.at(-1)!
    expect(events.length).toBeGreaterThan(8)
    expect(ends.length).toBeGreaterThan(events.length)
    const atFrames = ends.flatMap((end) => [end - 1, end, end + 1])
    const between = Array.from({ length: ELSEWHERE }, (_, n) => Math.round(((n + 0.5) * total) / ELSEWHERE))
    const cuts = [...new Set([...atFrames, ...between])].filter((end) => end > 0 && end <= total)
    for (const cutAfter of cuts) {
      await next(cutAfter, 2)
      if (contentOf(mine.client) !== contents[parity()]) wrong.push(`${cutAfter}: not right after it`)
    }
    expect(wrong).toEqual([])
    expect(cuts.length).toBeGreaterThan(ELSEWHERE)
    // An attempt that is cut before it is open says so.
    for (const error of mine.errors) expect(String(error)).toContain('could not be reached')
  }, 60_000)
})
