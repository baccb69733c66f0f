/** Two chat back ends on one adapter, each a process of its own, and people on both. */
import { fileURLToPath } from 'node:url'
import { io as connectSocket, type Socket } from 'socket.io-client'
import { startProcess, type StartedProcess } from './process.js'

const SCRIPT = fileURLToPath(new URL('adapter-host.js', import.meta.url))
/** A limit for what never comes, not a measure. */
const UNTIL_TIMEOUT_MS = 20_000
/** A message that found no subscription yet is sent again after so long: to subscribe takes its time with any adapter. */
const AGAIN_MS = 250

/** Whom a message is for, as Socket.IO's operators say it. */
export interface Target {
  readonly rooms: readonly string[]
  readonly except?: readonly string[]
  readonly local?: boolean
}

/** A back end. Each method is what its name says in Socket.IO, with the back end as the one who does it. */
export interface Host {
  readonly url: string
  do(action: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>
}

export interface Hosts extends AsyncDisposable {
  /** One with Socket.IO's own adapter, else two. */
  readonly all: readonly Host[]
  readonly first: Host
  /** Another than the first, where there are two. */
  readonly second: Host
}

export async function startHosts(adapter: string, env: Readonly<Record<string, string>>): Promise<Hosts> {
  const isOneProcess = adapter === 'memory' || adapter === 'cluster'
  const count = adapter === 'memory' ? 1 : 2
  const processes = Array.from({ length: isOneProcess ? 1 : count }, () =>
    startProcess([SCRIPT, adapter], { env }),
  )
  const end = async () => {
    await Promise.all(processes.map((each) => each[Symbol.asyncDispose]()))
  }
  try {
    const urls = isOneProcess
      ? await urlsOf(processes[0]!, count)
      : (await Promise.all(processes.map((each) => urlsOf(each, 1)))).flat()
    const all = urls.map(createHost)
    const hosts: Hosts = { all, first: all[0]!, second: all.at(-1)!, [Symbol.asyncDispose]: end }
    await until(`${count} back ends that know of each other`, async () => {
      const counts = await Promise.all(all.map((host) => host.do('serverCount')))
      return counts.every((known) => known === count)
    })
    return hosts
  } catch (error) {
    await end()
    throw error
  }
}

async function urlsOf(child: StartedProcess, count: number): Promise<string[]> {
  const urls = () => child.lines.flatMap((line) => /^listens on (\S+)/u.exec(line)?.[1] ?? [])
  await child.find(`${count} addresses`, () => (urls().length === count ? true : undefined))
  return urls()
}

function createHost(url: string): Host {
  return {
    url,
    async do(action, parameters = {}) {
      const body = JSON.stringify({ action, ...parameters })
      const response = await fetch(url, { method: 'POST', body })
      const text = await response.text()
      if (!response.ok) throw new Error(`${action} failed on ${url}: ${text}`)
      return JSON.parse(text)
    },
  }
}

/** Somebody's connection to a back end, with the messages that came. */
export interface Person {
  readonly name: string
  readonly host: Host
  readonly socket: Socket
  readonly news: readonly string[]
  readonly fences: readonly string[]
}

/** People of one test; disposing disconnects them. */
export interface People extends AsyncDisposable {
  join(host: Host, name: string): Promise<Person>
  /**
   * Sends once, and waits until it has come to `expected`, and until what was sent after it has come to everybody.
   * @returns the names of those to whom it has come, one for each time, sorted.
   */
  reached(host: Host, send: Send, expected: readonly Person[]): Promise<readonly string[]>
  /** Sends again and again until it comes to all of them at once. */
  settle(host: Host, send: Send, expected: readonly Person[]): Promise<void>
}

/** Sends `text` to somebody. */
export type Send = (host: Host, text: string) => Promise<unknown>

export const to =
  (...rooms: readonly string[]): Send =>
  (host, text) =>
    host.do('emit', { target: { rooms }, text })

export const toTarget =
  (target: Target): Send =>
  (host, text) =>
    host.do('emit', { target, text })

let sent = 0

export function gather(): People {
  const people: (Person & { readonly news: string[]; readonly fences: string[] })[] = []
  const present = () => people.filter(({ socket }) => socket.connected)

  async function settle(host: Host, send: Send, expected: readonly Person[]): Promise<void> {
    await until(`a message to ${namesOf(expected).join(', ')}`, async () => {
      const text = `settle ${++sent}`
      await send(host, text)
      const deadline = Date.now() + AGAIN_MS
      while (Date.now() < deadline) {
        if (expected.every(({ news }) => news.includes(text))) return true
        await pause()
      }
      return false
    })
  }

  return {
    async join(host, name) {
      const socket = connectSocket(host.url, {
        forceNew: true,
        transports: ['websocket'],
        reconnection: false,
        auth: { token: name },
      })
      const news: string[] = []
      const fences: string[] = []
      socket.on('news', (text: string) => news.push(text))
      socket.on('fence', (text: string) => fences.push(text))
      socket.on('question', (text: string, answer: (text: string) => void) => {
        answer(`${name}: ${text}`)
      })
      const person = { name, host, socket, news, fences }
      people.push(person)
      const first = new Promise<void>((resolve, reject) => {
        socket.once('presence:devices', () => resolve())
        socket.once('connect_error', reject)
      })
      await first
      return person
    },
    async reached(host, send, expected) {
      const text = `news ${++sent}`
      await send(host, text)
      await until(
        `"${text}" to ${namesOf(expected).join(', ')}`,
        async () => expected.every(({ news }) => news.includes(text)),
        () => `it came to ${namesOf(people.filter(({ news }) => news.includes(text))).join(', ')}`,
      )
      await host.do('emitToAll', { text })
      await until(`what followed "${text}"`, async () =>
        present().every(({ fences }) => fences.includes(text)),
      )
      return people.flatMap(({ name, news }) => news.filter((each) => each === text).map(() => name)).sort()
    },
    settle,
    async [Symbol.asyncDispose]() {
      for (const { socket } of people) socket.disconnect()
    },
  }
}

export function namesOf(people: readonly Person[]): string[] {
  return people.map(({ name }) => name).sort()
}

export async function until(
  what: string,
  isMet: () => Promise<boolean>,
  story: () => string = () => '',
): Promise<void> {
  const deadline = Date.now() + UNTIL_TIMEOUT_MS
  while (!(await isMet())) {
    if (Date.now() > deadline) throw new Error(`it never came: ${what}; ${story()}`)
    await pause()
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10))
}
