/** A clock that is moved by hand, a transport without a network, and frames in few words. */
import type {
  Answer,
  ConversationId,
  ErrorPayload,
  GroupId,
  Position,
  PresenceAuth,
  PresenceDiff,
  PresenceState,
  RoomChange,
  RoomState,
  UserCount,
  UserId,
} from '@vigie/protocol'
import { createClient, type PresenceClient, type PresenceClientOptions } from '../../src/client.js'
import type { Page } from '../../src/page.js'
import type { Platform } from '../../src/platform.js'
import type { ClientMessage, LinkEvents, Transport } from '../../src/transport.js'

export const START = Date.UTC(2026, 0, 1)

/** Promises that are ready have run when this resolves. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

export interface FakeClock extends Platform {
  /** What `random` gives next; the last one for ever. */
  chances: number[]
  /** How long each running timer has to go, shortest first. */
  waits(): number[]
  /** Lets time pass; timers run at their moment, and what they started has settled before the next. */
  advance(ms: number): Promise<void>
}

export function fakeClock(): FakeClock {
  let now = START
  let made = 0
  const timers = new Map<number, { readonly at: number; readonly run: () => void }>()
  const next = (until: number) =>
    [...timers].filter(([, timer]) => timer.at <= until).sort(([, a], [, b]) => a.at - b.at)[0]
  const clock: FakeClock = {
    chances: [0.5],
    now: () => now,
    random: () => (clock.chances.length > 1 ? clock.chances.shift()! : clock.chances[0]!),
    setTimeout(run, delayMs) {
      made += 1
      timers.set(made, { at: now + delayMs, run })
      return made
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
    waits: () => [...timers.values()].map(({ at }) => at - now).sort((a, b) => a - b),
    async advance(ms) {
      const until = now + ms
      await settle()
      for (let due = next(until); due; due = next(until)) {
        timers.delete(due[0])
        now = due[1].at
        due[1].run()
        await settle()
      }
      now = until
    },
  }
  return clock
}

/** A link as the server sees it. */
export interface FakeLink {
  readonly auth: PresenceAuth
  readonly sent: ClientMessage[]
  /** How this side ended it; undefined while it has not. */
  readonly end: 'left' | 'dropped' | undefined
  opened(): void
  state(payload: PresenceState): void
  diff(payload: PresenceDiff): void
  closed(data: Partial<ErrorPayload>): void
  lose(): void
  /** It was never open. */
  fail(cause: string): void
  refuse(data: unknown): void
  disconnect(): void
  /** Answers the oldest message that has no answer yet. */
  answer(answer?: Answer): void
  /** Opens it and sends a picture. */
  live(payload?: PresenceState): void
}

export interface FakeTransport extends Transport {
  readonly links: FakeLink[]
  readonly last: FakeLink
}

export function fakeTransport(): FakeTransport {
  const links: FakeLink[] = []
  return {
    links,
    get last() {
      return links.at(-1)!
    },
    open(auth, events: LinkEvents) {
      const acknowledgements: ((answer: Answer) => void)[] = []
      let end: FakeLink['end']
      const link: FakeLink = {
        auth,
        sent: [],
        get end() {
          return end
        },
        ...events,
        state: (payload) => events.frame({ name: 'presence:state', payload }),
        diff: (payload) => events.frame({ name: 'presence:diff', payload }),
        lose: () => events.ended({ type: 'lost' }),
        fail: (cause) => events.ended({ type: 'lost', cause }),
        refuse: (data) => events.ended({ type: 'refused', data }),
        disconnect: () => events.ended({ type: 'ended' }),
        answer: (answer = { ok: true }) => acknowledgements.shift()?.(answer),
        live(payload = state({})) {
          events.opened()
          link.state(payload)
        },
      }
      links.push(link)
      return {
        send(message, acknowledge) {
          link.sent.push(message)
          acknowledgements.push(acknowledge)
        },
        leave: () => void (end ??= 'left'),
        drop: () => void (end ??= 'dropped'),
      }
    },
  }
}

export interface FakeWorld {
  readonly clock: FakeClock
  readonly transport: FakeTransport
  readonly client: PresenceClient
  readonly errors: unknown[]
}

/** A client on fakes, not connected yet. */
export function fakeWorld(options: Partial<PresenceClientOptions> = {}, page?: Page): FakeWorld {
  const clock = fakeClock()
  const transport = fakeTransport()
  const errors: unknown[] = []
  const client = createClient(
    { token: 'token', platform: clock, onError: (error) => errors.push(error), ...options },
    transport,
    page,
  )
  return { clock, transport, client, errors }
}

/** The same, live, with a picture. */
export async function liveWorld(
  payload: PresenceState = state({}),
  options: Partial<PresenceClientOptions> = {},
): Promise<FakeWorld> {
  const world = fakeWorld(options)
  world.client.connect()
  await settle()
  world.transport.last.live(payload)
  await settle()
  return world
}

export const at = (n: number, epoch = 'boot'): Position => [epoch, n]
export const count = (id: string, devices: number): UserCount => [id as UserId, devices]

interface StateParts {
  readonly user?: string
  readonly at?: Position | null
  readonly users?: readonly UserCount[]
  readonly groups?: readonly RoomState<GroupId>[]
  readonly conversations?: readonly RoomState<ConversationId>[]
  readonly devices?: number
}

/** `at: null` makes the first part of a cut picture. */
export function state({
  user = 'me',
  at: position = at(1),
  users = [],
  groups = [],
  conversations = [],
  devices = 1,
}: StateParts): PresenceState {
  return {
    protocol: 2,
    ...(position && { at: position }),
    user: user as UserId,
    users,
    groups,
    conversations,
    devices: {
      count: devices,
      devices: Array.from({ length: devices }, (_, place) => ({ deviceId: `d${place}` as never, since: 1 })),
    },
  }
}

interface RoomParts {
  readonly roster?: readonly number[]
  readonly typing?: readonly string[]
}

export function room<Id extends string>(id: string, { roster = [], typing }: RoomParts = {}): RoomState<Id> {
  return {
    id: id as Id,
    mode: 'names',
    members: roster.length,
    roster,
    ...(typing && { typing: typing as UserId[] }),
  }
}

export const change = <Id extends string>(
  id: string,
  fields: Omit<RoomChange<string>, 'id' | 'add' | 'remove' | 'roster' | 'typing'> & {
    readonly add?: readonly string[]
    readonly remove?: readonly string[]
    readonly roster?: readonly string[]
    readonly typing?: readonly string[]
  },
): RoomChange<Id> => ({ id, ...fields }) as unknown as RoomChange<Id>

/** A token, unsigned: no server of these tests checks it. */
export function token(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.`
}
