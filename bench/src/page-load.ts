/**
 * The other people of `page`: a process with a connection each. They come by joining the namespace of presence and go by
 * leaving it, over a connection that stays open: an app does so when somebody signs in or out, and 1,000 handshakes a
 * second would measure the handshakes. `node page-load.js <port>`
 */
import { openLine, type Line } from './line.js'
import { createPace } from './pace.js'
import { PAGE_USERS } from './page-world.js'
import { answer } from './remote.js'
import { signToken } from './token.js'
import { userName } from './world.js'

export interface PageLoadApi {
  /** Opens everybody's connection; nobody is there yet. */
  open(): Promise<void>
  /** People come and go from now on, `rate` of them a second together. */
  start(options: { readonly rate: number }): void
  stop(): Promise<void>
  /** Who was let in and has gone again so far. */
  visits(): number
  /** Who is there. */
  online(): readonly string[]
}

interface Person {
  readonly name: string
  readonly join: string
  line: Line | undefined
  /** When presence let them in; undefined: they are not there, or not yet. */
  since: number | undefined
}

/** So many are there at a time; the others are away for seven times as long as these stay. */
const THERE = Math.floor(PAGE_USERS / 8)
/** Longer than the server's window: a coming and a going in one window would be no news. */
const STAY_MS = 60
const PATH = '/socket.io/?EIO=4&transport=websocket'

const port = Number(process.argv[2])
const pace = createPace()
/** In the order of their return, and of their coming. The first person's page is a real one, and stays. */
const away: Person[] = []
const there: Person[] = []
let visits = 0

function open(user: number): Promise<void> {
  const name = userName(user)
  const join = `40${JSON.stringify({ token: signToken(name), protocol: 2 })}`
  const person: Person = { name, join, line: undefined, since: undefined }
  return new Promise((resolve) => {
    person.line = openLine(port, PATH, {
      open() {},
      text(text) {
        if (text.startsWith('0')) {
          away.push(person)
          resolve()
        } else if (text === '2') person.line?.send('3')
        else if (text.startsWith('40')) person.since = performance.now()
        else if (text.startsWith('44')) throw new Error(`${name} was refused: ${text}`)
      },
      ended() {
        throw new Error(`The connection of ${name} has ended.`)
      },
    })
  })
}

function come(): void {
  const person = away.shift()
  if (!person) return
  person.line?.send(person.join)
  there.push(person)
}

/** As many go as have come; one whose coming takes long holds up nobody else. */
function go(now: number): void {
  while (there.length > THERE) {
    const next = there.findIndex(({ since = Infinity }) => now - since >= STAY_MS)
    const [person] = next < 0 ? [] : there.splice(next, 1)
    if (!person) return
    person.line?.send('41')
    person.since = undefined
    away.push(person)
    visits++
  }
}

answer<PageLoadApi>({
  async open() {
    for (let user = 1; user < PAGE_USERS; user++) await open(user)
  },
  start({ rate }) {
    pace.start({ rate, begin: come, end: go, isOver: () => there.length <= THERE, echo() {} })
  },
  stop: () => pace.end(),
  visits: () => visits,
  online: () => there.filter(({ since }) => since !== undefined).map(({ name }) => name),
})
