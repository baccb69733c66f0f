/** One row of `group_users` or `conversation_users`. */
export interface Row {
  readonly room: string
  readonly userId: string
}

/** Rows that one COMMIT adds and removes. */
export interface Change {
  readonly added: readonly Row[]
  readonly removed: readonly Row[]
}

/** When a row was there, on the checker's own clock: from before its COMMIT was sent … */
interface Span {
  readonly from: number
  /** … until its removal was answered; undefined while it is there. */
  until: number | undefined
}

/** Groups are called `g…`, conversations `c…`. */
export function isGroup(room: string): boolean {
  return room.startsWith('g')
}

/**
 * The rows as they are and as they were. A span is never shorter than the truth, so whoever was told of
 * something outside of all spans was told too late, or of what never was.
 */
export class Rows {
  readonly #members = new Map<string, Set<string>>()
  readonly #rooms = new Map<string, Set<string>>()
  readonly #spans = new Map<string, Map<string, Span[]>>()

  /** Call before the COMMIT is sent. */
  begin({ added, removed }: Change, now: number): void {
    for (const { room, userId } of added) {
      setIn(this.#members, room).add(userId)
      setIn(this.#rooms, userId).add(room)
      const spans = this.#spans.get(userId) ?? new Map<string, Span[]>()
      this.#spans.set(userId, spans)
      spans.set(room, [...(spans.get(room) ?? []), { from: now, until: undefined }])
    }
    for (const { room, userId } of removed) {
      this.#members.get(room)?.delete(userId)
      this.#rooms.get(userId)?.delete(room)
    }
  }

  /** Call when the COMMIT was answered. */
  commit({ removed }: Change, now: number): void {
    for (const { room, userId } of removed) {
      const last = this.#spans.get(userId)?.get(room)?.at(-1)
      if (last) last.until = now
    }
  }

  members(room: string): ReadonlySet<string> {
    return this.#members.get(room) ?? new Set()
  }

  roomsOf(userId: string): ReadonlySet<string> {
    return this.#rooms.get(userId) ?? new Set()
  }

  has(room: string, userId: string): boolean {
    return this.members(room).has(userId)
  }

  shareGroup(one: string, other: string): boolean {
    return [...this.roomsOf(one)].some((room) => isGroup(room) && this.has(room, other))
  }

  /** Whether there was such a row at some moment not before `since`. */
  had(room: string, userId: string, since: number): boolean {
    const spans = this.#spans.get(userId)?.get(room) ?? []
    return spans.some(({ until }) => until === undefined || until >= since)
  }

  /** Whether both had a row of one group at some moment not before `since`. */
  hadSharedGroup(one: string, other: string, since: number): boolean {
    const ever = this.#spans.get(one) ?? new Map<string, Span[]>()
    return [...ever.keys()].some(
      (room) => isGroup(room) && this.had(room, one, since) && this.had(room, other, since),
    )
  }
}

function setIn(sets: Map<string, Set<string>>, key: string): Set<string> {
  const found = sets.get(key) ?? new Set<string>()
  sets.set(key, found)
  return found
}
