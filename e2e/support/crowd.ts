import { connectClient, type TestClient } from './clients.js'
import { signToken } from './serve.js'

/** Connections that are opened together; a thousand at once would measure the machine's accept queue. */
const BATCH = 100

/** A seat in the crowd: one person's one device, connected or not. */
export interface Seat {
  readonly userId: string
  /** Undefined for a stock client that names no device: it is one of its own. */
  readonly deviceId: string | undefined
  readonly client: TestClient | undefined
  /** When its connection last came or went, or was made to. */
  readonly changedAt: number
}

/** What the crowd tells its observer. */
export interface CrowdListener {
  /** A seat's connection came or went; `at` is the observer's clock. */
  moved(seat: Seat, at: number): void
  /** The seat's client has taken in one event. */
  heard(seat: Seat, name: string, payload: unknown, at: number): void
}

/** Stock clients that come, go, reload and lose their line. */
export interface Crowd extends Disposable {
  readonly seats: readonly Seat[]
  seatsOf(userId: string): readonly Seat[]
  /** Connects every seat. */
  gather(): Promise<void>
  come(seat: Seat): void
  /** Says goodbye: seen at once. */
  leave(seat: Seat): void
  /** The line ends without a word, and the client does not come back. */
  drop(seat: Seat): void
  /** As a page does: the line ends without a word, and a new client is there at once. */
  reload(seat: Seat): void
  /** The line ends without a word, and the same client comes back by itself. */
  stumble(seat: Seat): void
  /** Resolves when every client that should be connected is. */
  settled(): Promise<void>
}

interface MutableSeat extends Seat {
  client: TestClient | undefined
  changedAt: number
}

/** A crowd in front of `url`, nobody of it connected. */
export function createCrowd(
  url: string,
  secret: string,
  people: readonly Pick<Seat, 'userId' | 'deviceId'>[],
  listener: CrowdListener,
): Crowd {
  const seats = people.map((person): MutableSeat => ({ ...person, client: undefined, changedAt: 0 }))
  const byUser = new Map<string, MutableSeat[]>()
  for (const seat of seats) byUser.set(seat.userId, [...(byUser.get(seat.userId) ?? []), seat])
  const tokens = new Map([...byUser.keys()].map((userId) => [userId, signToken(secret, userId)]))

  function moved(seat: MutableSeat): void {
    seat.changedAt = performance.now()
    listener.moved(seat, seat.changedAt)
  }

  function come(seat: MutableSeat): void {
    const client = connectClient(url, tokens.get(seat.userId) ?? '', {
      auth: seat.deviceId === undefined ? {} : { deviceId: seat.deviceId },
    })
    seat.client = client
    moved(seat)
    const note = () => {
      if (seat.client === client) moved(seat)
    }
    client.socket.on('connect', note)
    client.socket.on('disconnect', note)
    // After the client's own listener: its picture already holds what is told here.
    client.socket.onAny((name: string, payload: unknown) => {
      if (seat.client === client) listener.heard(seat, name, payload, performance.now())
    })
  }

  function end(seat: MutableSeat, how: (client: TestClient) => void): void {
    const { client } = seat
    seat.client = undefined
    moved(seat)
    if (client) how(client)
  }

  async function settled(): Promise<void> {
    const isConnected = ({ socket }: TestClient) => socket.connected
    await Promise.all(
      seats.map(async ({ client, userId }) => client?.until(`${userId} is connected`, isConnected)),
    )
  }

  const mine = (seat: Seat) => seat as MutableSeat
  return {
    seats,
    seatsOf: (userId) => byUser.get(userId) ?? [],
    settled,
    async gather() {
      for (let from = 0; from < seats.length; from += BATCH) {
        for (const seat of seats.slice(from, from + BATCH)) come(seat)
        await settled()
      }
    },
    come: (seat) => come(mine(seat)),
    leave: (seat) => end(mine(seat), ({ socket }) => socket.disconnect()),
    drop: (seat) => end(mine(seat), (client) => client.drop()),
    reload(seat) {
      end(mine(seat), (client) => client.drop())
      come(mine(seat))
    },
    stumble(seat) {
      moved(mine(seat))
      seat.client?.socket.io.engine.close()
    },
    [Symbol.dispose]() {
      for (const seat of seats) end(seat, (client) => client[Symbol.dispose]())
    },
  }
}
