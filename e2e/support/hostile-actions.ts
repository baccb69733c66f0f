/**
 * What a hostile client does, by name. Each action is chosen by chance, and makes its own choices by chance that can be
 * had again; what crosses what on the way is the machine's.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import {
  DEFLATE,
  frame,
  openLine,
  POLLING,
  request,
  upgrade,
  WEBSOCKET,
  type FrameParts,
  type Line,
} from './hostile-line.js'
import { ATTACKERS, WATCHERS } from './hostile-people.js'
import { createRandom, type Random } from './random.js'
import type { HostileHost } from './hostile-host.js'
import { signToken } from './serve.js'

/** Attackers' places: each has at most one connection that the next actions there go on with. */
export const PLACES = 12
/** Connections that were left to themselves; the oldest are destroyed when there are more. */
const LEFT_MAX = 150

/** One choice of chance. As JSON it is a line of the story that a failing run prints. */
export interface HostileAction {
  readonly kind: string
  readonly place: number
  /** Of its own choices. */
  readonly seed: number
}

export interface Attack {
  /** Resolves when it is done, or has begun and goes on by itself. Actions at one place happen one after the other. */
  perform(action: HostileAction): Promise<void>
  /** How often each kind happened. */
  readonly done: ReadonlyMap<string, number>
  /** WebSockets that were let in. */
  readonly sessions: number
  /** Every connection is destroyed. */
  end(): Promise<void>
}

/** What an action has at hand. */
interface Scene {
  readonly random: Random
  readonly userId: string
  readonly host: HostileHost
  /** The connection of this place, whatever it has come to; a new one if there is none. */
  any(): Promise<Line>
  /** The WebSocket of this place that has a session, or a new one. */
  session(): Promise<Line>
  /** A new connection beside that of the place. */
  fresh(): Line
  /** From now on the line is the one of this place. */
  settle(line: Line): void
  /** A new session over polling. Undefined: it was not let in. */
  polling(): Promise<string | undefined>
  token(): string
}

type Perform = (scene: Scene) => Promise<void> | void

export function planHostile(seed: number, count: number): readonly HostileAction[] {
  const random = createRandom(seed)
  const kinds = Object.keys(ACTIONS)
  return Array.from({ length: count }, () => ({
    kind: random.of(kinds),
    place: random.below(PLACES),
    seed: random.below(2 ** 31),
  }))
}

export function createAttack(host: HostileHost, secret: string): Attack {
  const places: (Line | undefined)[] = Array.from({ length: PLACES }, () => undefined)
  const turns: Promise<void>[] = Array.from({ length: PLACES }, () => Promise.resolve())
  const left: Line[] = []
  const done = new Map<string, number>()
  let sessions = 0

  function fresh(): Line {
    const line = openLine(host.port)
    left.push(line)
    if (left.length > LEFT_MAX) left.shift()?.tcp.destroy()
    return line
  }

  function sceneOf({ place, seed }: HostileAction): Scene {
    const random = createRandom(seed)
    const userId = ATTACKERS[place % ATTACKERS.length]!
    const token = () => signToken(secret, userId)
    const settle = (line: Line) => {
      places[place] = line
    }
    async function session(): Promise<Line> {
      const known = places[place]
      if (known?.stage === 'session' && known.tcp.writable) return known
      const line = fresh()
      settle(line)
      line.write(upgrade(WEBSOCKET, random.below(2) === 0 ? [DEFLATE] : []))
      if (!(await line.comes('"sid"'))) return line
      line.stage = 'websocket'
      line.isDeflating = /sec-websocket-extensions/iu.test(line.text())
      line.write(frame(`40${JSON.stringify({ token: token(), ...someAuth(random) })}`))
      // A first snapshot that is compressed cannot be read here; it comes with the answer before it.
      if (await line.comes(line.isDeflating ? '40{"sid"' : 'presence:')) {
        line.stage = 'session'
        sessions++
      }
      return line
    }
    return {
      ...{ random, userId, host, token, fresh, settle, session },
      async any() {
        const known = places[place]
        return known && known.stage !== 'ended' ? known : session()
      },
      async polling() {
        const sid = await handshake(fresh())
        if (sid === undefined) return undefined
        const line = fresh()
        line.write(post(sid, `40${JSON.stringify({ token: token(), ...someAuth(random) })}`))
        // Refused or not: what follows is said to a connection that is there.
        return (await line.comes('200 OK')) ? sid : undefined
      },
    }
  }

  async function perform(action: HostileAction): Promise<void> {
    const act = ACTIONS[action.kind]
    if (!act) throw new Error(`There is no action "${action.kind}".`)
    await act(sceneOf(action))
    done.set(action.kind, (done.get(action.kind) ?? 0) + 1)
  }

  return {
    done,
    get sessions() {
      return sessions
    },
    perform(action) {
      const turn = (turns[action.place] ?? Promise.resolve()).then(() => perform(action))
      turns[action.place] = turn
      return turn
    },
    async end() {
      await Promise.all(turns)
      for (const { tcp } of left) tcp.destroy()
    },
  }
}

async function handshake(line: Line): Promise<string | undefined> {
  line.write(request(POLLING))
  await line.comes('"sid"')
  return /"sid":"([^"]+)"/u.exec(line.text())?.[1]
}

const poll = (sid: string) => request(`${POLLING}&sid=${sid}`)
const post = (sid: string, body: string) => request(`${POLLING}&sid=${sid}`, { method: 'POST', body })

/** Beside the token. Half of the connections speak protocol 2; some take over each other. */
function someAuth(random: Random): Readonly<Record<string, unknown>> {
  return {
    ...(random.below(2) === 0 && { protocol: 2 }),
    ...(random.below(3) === 0 && { deviceId: `device-${random.below(3)}` }),
    ...(random.below(3) === 0 && { clientId: `run-${random.below(3)}` }),
    ...(random.below(8) === 0 && { since: ['of another start', random.below(1_000)] }),
  }
}

function someMessage(random: Random, token: string): string {
  const convId = random.of(['c-mixed-0', 'c-mixed-1', 'c-mal', 'c-own-0', 'nowhere'])
  const messages: readonly (readonly [string, unknown])[] = [
    ['typing:start', { convId }],
    ['typing:stop', { convId }],
    ['presence:watch', { add: ['ord-1', 'ord-2', ...WATCHERS], remove: ['ord-3'] }],
    ['presence:watch', { remove: ['ord-1'] }],
    ['presence:background', { graceMs: random.of([0, 200, 1_000]) }],
    ['presence:foreground', {}],
    ['presence:token', { token: random.of([token, `${token}x`, '']) }],
    ['presence:leave', { scope: random.of(['session', 'device']) }],
  ]
  const id = random.below(2) === 0 ? String(random.below(1_000)) : ''
  return `42${id}${JSON.stringify(random.of(messages))}`
}

/** So many pongs that the kernel does not hold them for a client that does not read. */
const MANY_PINGS = Buffer.concat(Array<Buffer>(40_000).fill(frame(Buffer.alloc(125), { opcode: 9 })))

/** Zeros that are a thousand times as long as what is sent. */
const BOMB = deflateRawSync(Buffer.alloc(20_000_000))

const breakFrame =
  (
    parts: (random: Random) => FrameParts,
    payload: (random: Random) => string | Buffer = () => '42["x"]',
  ): Perform =>
  async ({ session, random }) => {
    ;(await session()).write(frame(payload(random), parts(random)))
  }

/** Enough that the kernel does not hold it for a client that does not read. */
const UNREAD_BYTES = 6_000_000

const ACTIONS: Readonly<Record<string, Perform>> = {
  // Ends of a connection, in whatever state it is.
  'half-closes': async ({ any }) => {
    ;(await any()).tcp.end()
  },
  resets: async ({ any }) => {
    ;(await any()).tcp.resetAndDestroy()
  },
  'goes without a word': async ({ any }) => {
    ;(await any()).tcp.destroy()
  },
  'half-closes while much is unread': async ({ session, host, userId }) => {
    const { tcp } = await session()
    tcp.pause()
    await host.shout(userId, UNREAD_BYTES)
    tcp.end()
  },
  'resets while much is unread': async ({ session, host, userId }) => {
    const { tcp } = await session()
    tcp.pause()
    await host.shout(userId, UNREAD_BYTES)
    tcp.resetAndDestroy()
  },
  'goes in the middle of a frame': async ({ session, random }) => {
    const line = await session()
    line.write(frame('x'.repeat(random.below(50_000)), { announced: 100_000 }))
    if (random.below(2) === 0) line.tcp.destroy()
    else line.tcp.end()
  },
  'answers a close frame, or not': async ({ session, random }) => {
    const line = await session()
    const codes = [[0x03, 0xe8], [0x03, 0xe9], [0x13, 0x87], [0x00, 0x01], [0x03], []]
    line.write(frame(Buffer.from(random.of(codes)), { opcode: 8 }))
    const next = random.below(3)
    if (next === 0) line.tcp.end()
    if (next === 1) line.write(frame('42["typing:start",{"convId":"c-mal"}]'))
    if (next === 2) line.tcp.pause()
  },

  // Frames.
  'sends a frame byte by byte': async ({ session, random, token }) => {
    const line = await session()
    for (const byte of frame(someMessage(random, token()))) line.write(Buffer.from([byte]))
  },
  'sends a frame that never ends': async ({ session, random }) => {
    const line = await session()
    const announced = random.of([1_000, 900_000, 2 ** 31, 2 ** 53 - 1])
    line.write(frame('42["typing:start"', { announced }))
    line.trickle(20, () => 'x')
    if (random.below(2) === 0) line.tcp.pause()
  },
  'sends fragments that never finish': async ({ session, random }) => {
    const line = await session()
    line.write(frame('42["', { isFinal: false }))
    const [count, size] = random.of([
      [3, 10],
      [2_000, 1],
      [2_000, 0],
      [120, 10_000],
    ] as const)
    const part = frame('x'.repeat(size), { opcode: 0, isFinal: false })
    line.write(Buffer.concat(Array.from({ length: count }, () => part)))
  },
  'sends a frame without a mask': breakFrame(() => ({ isMasked: false })),
  'sends an opcode that means nothing': breakFrame((random) => ({
    opcode: random.of([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]),
  })),
  'sends a continuation of nothing': breakFrame(() => ({ opcode: 0 })),
  'sends a control frame that is too long, or in parts': breakFrame(
    (random) => ({ opcode: random.of([8, 9, 10]), isFinal: random.below(2) === 0 }),
    () => Buffer.alloc(126),
  ),
  'sets reserved bits': breakFrame((random) => ({ reserved: random.of([1, 2, 3, 5, 7]) })),
  'sends a compressed frame': breakFrame(
    () => ({ reserved: 4 }),
    (random) =>
      random.of<() => Buffer>([
        () => deflateRawSync('42["typing:start",{"convId":"c-mal"}]'),
        () => BOMB,
        () => Buffer.from('no deflate at all'),
        () => Buffer.alloc(0),
      ])(),
  ),
  'sends binary': breakFrame(
    () => ({ opcode: 2 }),
    (random) => Buffer.alloc(random.of([0, 10, 100_000])),
  ),
  'announces binary that never comes': async ({ session, random }) => {
    const line = await session()
    const count = random.of([1, 2, 1_000_000])
    line.write(frame(`45${count}-["typing:start",{"_placeholder":true,"num":0}]`))
    if (random.below(2) === 0) line.write(frame('42["typing:stop",{"convId":"c-mal"}]'))
  },
  'sends text that is no UTF-8': breakFrame(
    () => ({}),
    () => Buffer.from([0x34, 0x32, 0xff, 0xfe, 0xc0]),
  ),
  'sends a frame over the limit': breakFrame(
    () => ({}),
    () => `42["${'x'.repeat(1_000_100)}"]`,
  ),
  'floods with pings': async ({ session, random }) => {
    const line = await session()
    if (random.below(2) === 0) line.tcp.pause()
    const ping = frame(Buffer.alloc(125), { opcode: 9 })
    line.write(Buffer.concat(Array.from({ length: 5_000 }, () => ping)))
  },
  // ws answers past engine.io, which takes the connection for writable meanwhile.
  'reads no pongs, ends, and has news': async ({ session, settle, fresh, random }) => {
    const line = await session()
    line.tcp.pause()
    line.write(MANY_PINGS)
    // The server takes them in meanwhile.
    await sleep(200)
    const how = random.below(4)
    if (how < 2) line.tcp.end()
    if (how === 2) line.tcp.resetAndDestroy()
    // Another device of the same person: the first is to be told.
    settle(fresh())
    await session()
  },
  'floods with packets of Engine.IO': async ({ session, random }) => {
    const line = await session()
    const packet = frame(random.of(['3', '3x', '2', '6', '2probe', '5', '1']))
    line.write(Buffer.concat(Array.from({ length: 2_000 }, () => packet)))
  },
  'floods with messages': async ({ session, random, token }) => {
    const line = await session()
    const message = frame(someMessage(random, token()))
    line.write(Buffer.concat(Array.from({ length: 500 }, () => message)))
  },

  // Reading.
  'answers pings and reads nothing': async ({ session }) => {
    const line = await session()
    line.tcp.pause()
    line.trickle(300, () => frame('3'))
  },
  'stops reading while much is sent to it': async ({ session, host, userId }) => {
    ;(await session()).tcp.pause()
    await host.shout(userId, UNREAD_BYTES)
  },
  'asks and reads no answer': async ({ session }) => {
    const line = await session()
    line.tcp.pause()
    const ask = frame('421["presence:foreground",{}]')
    line.write(Buffer.concat(Array.from({ length: 500 }, () => ask)))
  },
  'reads again': async ({ any }) => {
    ;(await any()).tcp.resume()
  },

  // Polling.
  polls: async ({ polling, fresh }) => {
    const sid = await polling()
    if (sid !== undefined) fresh().write(poll(sid))
  },
  'polls twice at once': async ({ polling, fresh }) => {
    const sid = await polling()
    if (sid === undefined) return
    const first = fresh()
    first.write(poll(sid))
    await first.comes('presence:')
    fresh().write(poll(sid))
    fresh().write(poll(sid))
  },
  'polls and reads nothing': async ({ polling, fresh, host, userId }) => {
    const sid = await polling()
    if (sid === undefined) return
    const line = fresh()
    line.tcp.pause()
    line.write(poll(sid))
    await host.shout(userId, UNREAD_BYTES)
  },
  'polls, and goes before the answer': async ({ polling, fresh, random }) => {
    const sid = await polling()
    if (sid === undefined) return
    const line = fresh()
    line.write(poll(sid))
    if (await line.comes('presence:')) line.write(poll(sid))
    if (random.below(2) === 0) line.tcp.resetAndDestroy()
    else line.tcp.end()
  },
  'posts without an end': async ({ polling, fresh, random }) => {
    const sid = await polling()
    if (sid === undefined) return
    const line = fresh()
    const path = `${POLLING}&sid=${sid}`
    if (random.below(2) === 0) {
      line.write(request(path, { method: 'POST', body: '42["', announced: random.of([5_000, 900_000]) }))
      line.trickle(20, () => 'x')
    } else {
      line.write(request(path, { method: 'POST', headers: ['Transfer-Encoding: chunked'] }))
      line.trickle(20, () => '1\r\nx\r\n')
    }
    if (random.below(3) === 0) fresh().write(post(sid, '42["typing:start",{"convId":"c-mal"}]'))
  },
  'posts with a wrong length': async ({ polling, fresh, random }) => {
    const sid = await polling()
    if (sid === undefined) return
    const announced = random.of([1, 3, 40, 2_000_000, -1, 'many', 2 ** 60])
    const body = '42["typing:start",{"convId":"c-mal"}]'
    fresh().write(request(`${POLLING}&sid=${sid}`, { method: 'POST', body, announced }))
  },
  'posts too much': async ({ polling, fresh, random }) => {
    const sid = await polling()
    if (sid === undefined) return
    const many = random.below(2) === 0
    // Thousands of packets in one request, or one that is too long.
    fresh().write(post(sid, many ? Array(5_000).fill('3').join('\u001e') : `42["${'x'.repeat(1_100_000)}"]`))
  },
  'posts twice at once': async ({ polling, fresh }) => {
    const sid = await polling()
    if (sid === undefined) return
    const [one, other] = [fresh(), fresh()]
    one.write(request(`${POLLING}&sid=${sid}`, { method: 'POST', body: '42["', announced: 100 }))
    other.write(post(sid, '42["typing:start",{"convId":"c-mal"}]'))
  },
  'polls and has a WebSocket at once': async ({ polling, fresh, settle, random, token }) => {
    const sid = await polling()
    if (sid === undefined) return
    fresh().write(poll(sid))
    const line = fresh()
    line.write(upgrade(`${WEBSOCKET}&sid=${sid}`))
    if (!(await line.comes('101'))) return
    line.write(frame('2probe'))
    await line.comes('3probe')
    line.write(frame('5'))
    line.stage = 'session'
    settle(line)
    for (let i = 0; i < 3; i++) {
      fresh().write(poll(sid))
      fresh().write(post(sid, someMessage(random, token())))
      line.write(frame(someMessage(random, token())))
    }
  },
  'stops an upgrade half way': async ({ polling, fresh, settle, random }) => {
    const sid = await polling()
    if (sid === undefined) return
    const line = fresh()
    settle(line)
    line.write(upgrade(`${WEBSOCKET}&sid=${sid}`))
    const how = random.below(6)
    if (how === 0) return
    if (!(await line.comes('101'))) return
    line.stage = 'websocket'
    if (how === 1) return
    if (how === 2) line.write(frame('5'))
    else line.write(frame(how === 3 ? '3probe' : '2probe'))
    if (how === 4) line.tcp.destroy()
    // A second upgrade of the same connection, while the first is under way.
    if (how === 5) fresh().write(upgrade(`${WEBSOCKET}&sid=${sid}`))
  },
  'asks for a connection that is none': async ({ fresh, random }) => {
    const sid = random.of(['nothing', '__proto__', 'x'.repeat(5_000), '%00', ''])
    fresh().write(random.of([poll(sid), post(sid, '3'), upgrade(`${WEBSOCKET}&sid=${sid}`)]))
  },

  // Namespaces and connections.
  'connects twice': async ({ session, token, random }) => {
    const line = await session()
    for (let i = 0; i <= random.below(5); i++) line.write(frame(`40${JSON.stringify({ token: token() })}`))
  },
  'connects to other namespaces': async ({ session, random, token }) => {
    const line = await session()
    const name = random.of(['/other', '/nowhere', '/__proto__', `/${'x'.repeat(1_000)}`])
    for (let i = 0; i <= random.below(20); i++)
      line.write(frame(`40${name},${JSON.stringify({ token: token() })}`))
    if (random.below(2) === 0) line.write(frame(`42${name},["typing:start",{"convId":"c-mal"}]`))
    if (random.below(2) === 0) line.write(frame(`41${name},`))
  },
  'disconnects, and goes on': async ({ session, token, random }) => {
    const line = await session()
    line.write(frame('41'))
    line.write(frame('42["typing:start",{"convId":"c-mal"}]'))
    if (random.below(2) === 0) line.write(frame(`40${JSON.stringify({ token: token() })}`))
  },
  'connects without a good token': async ({ fresh, settle, random, token }) => {
    const line = fresh()
    settle(line)
    line.write(upgrade(WEBSOCKET))
    if (!(await line.comes('"sid"'))) return
    line.stage = 'websocket'
    line.write(
      frame(
        `40${random.of(['', '{}', '[]', `{"token":"${token()}x"}`, `{"token":"${token()}","deviceId":7}`])}`,
      ),
    )
  },
  'connects and goes at once': async ({ fresh, token, random }) => {
    const line = fresh()
    line.write(upgrade(WEBSOCKET))
    await line.comes('"sid"')
    line.write(frame(`40${JSON.stringify({ token: token(), ...someAuth(random) })}`))
    if (random.below(2) === 0) await line.comes('40{')
    if (random.below(2) === 0) line.tcp.resetAndDestroy()
    else line.tcp.end()
  },
  'sends its header byte by byte': async ({ fresh, random }) => {
    const line = fresh()
    const bytes = random.of([
      upgrade(WEBSOCKET),
      request(POLLING),
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`,
    ])
    let sent = 0
    line.trickle(2, () => bytes[sent++] ?? '')
  },
  'sends what is no HTTP': ({ fresh, random }) => {
    fresh().write(
      random.of([
        '\r\n\r\n\r\n',
        '\u0016\u0003\u0001\u0002\u0000\u0001',
        `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
        'GET / HTTP/9.9\r\n\r\n',
        upgrade(WEBSOCKET).replace('13', '7'),
        upgrade(WEBSOCKET).replace(/Key: .*/u, 'Key: short'),
      ]),
    )
  },
  'asks for many connections in one go': ({ fresh }) => {
    fresh().write(request(POLLING).repeat(30))
  },
  'opens connections that do nothing': ({ fresh }) => {
    for (let i = 0; i < 4; i++) fresh()
    for (let i = 0; i < 3; i++) fresh().write(upgrade(WEBSOCKET))
    for (let i = 0; i < 3; i++) fresh().write(request(POLLING))
  },

  // What is allowed, in between.
  'says something valid': async ({ session, random, token }) => {
    const line = await session()
    for (let i = 0; i <= random.below(4); i++) line.write(frame(someMessage(random, token())))
  },
  types: async ({ session, random }) => {
    const convId = random.of(['c-mixed-0', 'c-mixed-1'])
    ;(await session()).write(frame(`42${JSON.stringify(['typing:start', { convId }])}`))
  },
  comes: async ({ session }) => {
    await session()
  },
  'comes anew': async ({ fresh, settle, session }) => {
    settle(fresh())
    await session()
  },
}
