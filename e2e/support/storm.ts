/**
 * The people of the benchmark, all at the door at once, as clients of protocol 2: raw WebSockets that fold what they
 * are told with the SDK's own `sync`, and count it.
 */
import { openLine, type Line } from '../../bench/src/line.js'
import { signToken } from '../../bench/src/token.js'
import { COMMUNITY, userName } from '../../bench/src/world.js'
import {
  apply,
  begin,
  EMPTY_SYNC,
  type Frame,
  type Picture,
  type Sync,
} from '../../packages/client/src/sync.js'

/** One of them. */
export interface Guest {
  readonly user: number
  readonly name: string
  /** Whether it is let in. */
  readonly isIn: boolean
  readonly picture: Picture
  /** Frames of presence since it was let in last, and how long after its CONNECT packet the last one came. */
  readonly frames: number
  readonly heardForMs: number
}

export interface Storm extends Disposable {
  readonly guests: readonly Guest[]
  /** Frames of presence that anybody was sent, over all connections. */
  readonly frames: number
  /** Connections that ended after they were let in. */
  readonly dropped: number
  /** What was said that should not be: refusals for good, unknown packets, frames that no picture can be made of. */
  readonly faults: readonly string[]
  /** Frames that name somebody, or a room, of another community. */
  readonly leaks: readonly string[]
  /** Users and rooms that were named in frames: a search for leaks that finds nothing at all proves nothing. */
  readonly mentions: number
  /**
   * Everybody opens a connection in one turn. Who is sent away comes again. Neighbours in a community do not follow each
   * other: there is news for everybody for as long as it lasts.
   */
  breakOut(): void
  /** Resolves once everybody is in and knows that everybody of the community is online; rejects after `limitMs`. */
  settled(limitMs: number): Promise<void>
}

interface MutableGuest extends Guest {
  isIn: boolean
  frames: number
  heardForMs: number
  readonly token: string
  line: Line | undefined
  sync: Sync
  connectedAt: number
  attempts: number
}

const PATH = '/socket.io/?EIO=4&transport=websocket'
/** Who is sent away comes back after this, times the number of its attempts. */
const RETRY_MS = 50

/**
 * How people come. `volley`: once all connections are open, all ask to be let in, in one turn. `rush`: each asks when
 * its connection is open.
 */
export type Onset = 'volley' | 'rush'

/** @param users How many; a multiple of the size of a community. */
export function createStorm(port: number, users: number, onset: Onset): Storm {
  const faults: string[] = []
  const leaks: string[] = []
  const unsettled = new Set<MutableGuest>()
  /** Those whose connections are open; in a volley nobody asks to be let in before all are there. */
  const atDoor = new Set<MutableGuest>()
  let frames = 0
  let dropped = 0
  let mentions = 0
  let isOpen = onset === 'rush'
  let isOver = false
  let onSettled = () => {}

  const guests = Array.from({ length: users }, (_, user): MutableGuest => {
    const name = userName(user)
    return {
      user,
      name,
      token: signToken(name),
      isIn: false,
      get picture() {
        return this.sync.picture
      },
      frames: 0,
      heardForMs: 0,
      line: undefined,
      sync: EMPTY_SYNC,
      connectedAt: 0,
      attempts: 0,
    }
  })

  function open(guest: MutableGuest): void {
    guest.attempts++
    guest.line = openLine(port, PATH, {
      open() {},
      text: (text, _size, readAt) => hear(guest, text, readAt),
      ended: () => ended(guest),
    })
  }

  function ended(guest: MutableGuest): void {
    if (isOver) return
    if (guest.isIn) dropped++
    guest.isIn = false
    unsettled.add(guest)
    setTimeout(() => {
      if (!isOver) open(guest)
    }, RETRY_MS * guest.attempts)
  }

  function hear(guest: MutableGuest, text: string, readAt: number): void {
    const packet = text.startsWith('4') ? text.slice(0, 2) : text.slice(0, 1)
    switch (packet) {
      case '0':
        atDoor.add(guest)
        // Who comes again later does not wait for anybody.
        if (isOpen) connect(guest)
        else if (atDoor.size === users) {
          isOpen = true
          for (const each of atDoor) connect(each)
        }
        return
      case '2':
        guest.line?.send('3')
        return
      case '40':
        guest.isIn = true
        guest.frames = 0
        guest.sync = begin(guest.sync)
        return
      case '42':
        hearEvent(guest, text, readAt)
        return
      case '44':
        // The server closes the connection of those who may try again.
        if (text.includes('"retry":"never"')) faults.push(`${guest.name}: ${text}`)
        return
      default:
        faults.push(`${guest.name}: ${text}`)
    }
  }

  function connect(guest: MutableGuest): void {
    const auth = { token: guest.token, protocol: 2, deviceId: `device of ${guest.name}` }
    guest.connectedAt = performance.now()
    guest.line?.send(`40${JSON.stringify(auth)}`)
  }

  function hearEvent(guest: MutableGuest, text: string, readAt: number): void {
    const [name, payload] = JSON.parse(text.slice(2)) as [string, unknown]
    if (name !== 'presence:state' && name !== 'presence:diff') {
      faults.push(`${guest.name}: ${text}`)
      return
    }
    frames++
    guest.frames++
    guest.heardForMs = readAt - guest.connectedAt
    lookForLeaks(guest, payload, text)
    const step = apply(guest.sync, { name, payload } as Frame)
    guest.sync = step.sync
    if (step.outcome === 'broken') faults.push(`${guest.name}: ${text}`)
    settle(guest)
  }

  /**
   * `u123`, and rooms of a community: `g1`, `g1-2`, `c1-15-9`. Positions are left out: now and then the id of a node,
   * which is random, begins like a room's (`c9491842-`).
   */
  function lookForLeaks(guest: MutableGuest, payload: unknown, text: string): void {
    const community = Math.floor(guest.user / COMMUNITY)
    const said = JSON.stringify({ ...(payload as object), at: undefined })
    for (const [, kind, digits] of said.matchAll(/"([ugc])(\d+)(?=[-"])/gu)) {
      mentions++
      const other = kind === 'u' ? Math.floor(Number(digits) / COMMUNITY) : Number(digits)
      if (other !== community) leaks.push(`${guest.name}: ${text}`)
    }
  }

  function settle(guest: MutableGuest): void {
    const { users: known } = guest.picture
    let online = 0
    for (const count of known.values()) if (count > 0) online++
    if (online < COMMUNITY) unsettled.add(guest)
    else unsettled.delete(guest)
    if (unsettled.size === 0) onSettled()
  }

  return {
    guests,
    get frames() {
      return frames
    },
    get dropped() {
      return dropped
    },
    faults,
    leaks,
    get mentions() {
      return mentions
    },
    breakOut() {
      for (const guest of guests) unsettled.add(guest)
      for (let place = 0; place < COMMUNITY; place++) {
        for (const guest of guests) if (guest.user % COMMUNITY === place) open(guest)
      }
    },
    settled: (limitMs) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          const names = Array.from(unsettled, ({ name, isIn }) => `${name}${isIn ? '' : ' (not let in)'}`)
          reject(new Error(`${names.length} are not told everything: ${names.slice(0, 20).join(', ')}`))
        }, limitMs)
        onSettled = () => {
          clearTimeout(timer)
          resolve()
        }
        if (unsettled.size === 0) onSettled()
      }),
    [Symbol.dispose]() {
      isOver = true
      for (const { line } of guests) line?.cut()
    },
  }
}
