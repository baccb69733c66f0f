/** From facts to rows: each has its hash, which follows the one before it. */
import { randomBytes } from 'node:crypto'
import { chainStart, commitmentOf, hashOf, SALT_BYTES } from './chain.js'
import { dayOf } from './days.js'
import type { Detail, Entry, Fact, TrailRow } from './facts.js'

/** Salts of so many rows, hexadecimal: drawn at once they cost a tenth. */
export function drawSalts(count: number): readonly string[] {
  const drawn = randomBytes(count * SALT_BYTES).toString('hex')
  const length = 2 * SALT_BYTES
  return Array.from({ length: count }, (_, place) => drawn.slice(place * length, (place + 1) * length))
}

/** Every field that some kind of fact has. */
type AnyFact = Fact & {
  readonly state?: string
  readonly reason?: string
  readonly userId?: string
  readonly sessionId?: string
  readonly device?: string
  readonly groups?: readonly string[]
  readonly conversations?: readonly string[]
  readonly detail?: Detail
}

/** @param previous The hash of the row before it on the same day; undefined: it is the first. */
export function rowOf(
  { fact, position, at }: Entry,
  boot: string,
  previous: string | undefined,
  salt: string = drawSalts(1)[0] ?? '',
): TrailRow {
  const { kind, state, reason, userId, sessionId, device, groups, conversations, detail } = fact as AnyFact
  // One object from the start: copies of it would cost more than its hashes.
  const row: { -readonly [Field in keyof TrailRow]: TrailRow[Field] } = {
    day: dayOf(at),
    boot,
    position,
    at,
    kind,
    state: state ?? null,
    reason: reason ?? null,
    userId: userId ?? null,
    sessionId: sessionId ?? null,
    device: device ?? null,
    groups: groups ?? null,
    conversations: conversations ?? null,
    detail: detail ? JSON.stringify(detail) : null,
    salt,
    commitment: '',
    hash: '',
  }
  row.commitment = commitmentOf(row, salt)
  row.hash = hashOf(row, previous ?? chainStart(row))
  return row
}
