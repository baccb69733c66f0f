/**
 * The truth beside the engine: what must be so, computed anew each time from what happened, as plainly and
 * slowly as it can be said. It shares no code with the engine, or both would be wrong together.
 */
import type { ConversationId, GroupId, SessionId, UserId } from '@vigie/protocol'
import type { Presence, Settings } from '../core/index.js'

export interface TrueSession {
  readonly id: SessionId
  readonly userId: UserId
  /** Equal for the sessions of one device. */
  readonly device: string
  readonly isAnonymous: boolean
  readonly clientId: string | undefined
  /** Undefined while the connection is there. */
  lostAt: number | undefined
  graceEndsAt: number
  /** By how much `graceEndsAt` was put off. */
  putOffMs: number
  backgroundGraceMs: number | undefined
  /** Where it types, and until when unless it is repeated. */
  typing: { readonly conversationId: ConversationId; readonly endsAt: number } | undefined
}

export type TrueRoom =
  | { readonly kind: 'group'; readonly id: GroupId }
  | { readonly kind: 'conversation'; readonly id: ConversationId }

export interface Truth {
  now: number
  readonly sessions: TrueSession[]
  /** How often the end of a grace was put off. */
  readonly putOffs: number
  connect(session: {
    id: SessionId
    userId: UserId
    deviceId: string | undefined
    clientId: string | undefined
  }): void
  lose(id: SessionId, graceMs?: number): void
  end(id: SessionId): void
  endDevice(id: SessionId): void
  type(id: SessionId, conversationId: ConversationId, isStart: boolean): void
  background(id: SessionId, graceMs: number): void
  contribute(node: string, userId: UserId, devices: readonly string[]): void
  loseNode(node: string): void
  /** People at admission have waited for so long. */
  holdBack(delayMs: number): void
  /** What stands in the tables. */
  addRow(userId: UserId, room: TrueRoom): void
  removeRow(userId: UserId, room: TrueRoom): void
  rowsOf(userId: UserId): TrueRoom[]
  rosterOf(room: TrueRoom): UserId[]
  /** What the engine was told of the tables last: a user's own rows, undefined when they are not wanted any more. */
  tellOwn(userId: UserId, rooms: readonly TrueRoom[] | undefined): void
  /** … and the members of a room. */
  tellRoom(room: TrueRoom, roster: readonly UserId[]): void
  /** As it was told. */
  ownOf(userId: UserId): readonly TrueRoom[] | undefined
  toldRosterOf(room: TrueRoom): readonly UserId[]
  /** Some user's own rows, as told, name the room. */
  isHeld(room: TrueRoom): boolean
  heldRooms(): TrueRoom[]
  /** Names or count; it depends on how the room came to its size. */
  isCounted(room: TrueRoom): boolean
  /** Names: the room's rows say who is in it. Count: the user's own rows do. */
  isMember(userId: UserId, room: TrueRoom): boolean
  membersOf(room: TrueRoom): UserId[]
  roomsOf(userId: UserId): TrueRoom[]
  presenceOf(userId: UserId): Presence
  devicesOf(userId: UserId): number
  /** Its connection is there, or its grace runs. */
  counts(session: TrueSession): boolean
  isLive(id: SessionId): boolean
  typists(conversationId: ConversationId): UserId[]
}

export function createTruth(settings: Settings): Truth {
  const sessions: TrueSession[] = []
  const rows: { userId: UserId; room: TrueRoom }[] = []
  const own = new Map<UserId, readonly TrueRoom[]>()
  const told = new Map<
    string,
    { readonly room: TrueRoom; readonly roster: readonly UserId[]; isCounted: boolean }
  >()
  const nodes = new Map<
    string,
    { devices: Map<UserId, readonly string[]>; graceEndsAt: number; putOffMs: number }
  >()
  let delayMs = 0
  let putOffs = 0

  const keyOf = (room: TrueRoom) => `${room.kind} ${room.id}`
  const find = (id: SessionId) => sessions.find((session) => session.id === id)
  const remove = (session: TrueSession) => sessions.splice(sessions.indexOf(session), 1)
  const counts = (session: TrueSession) => session.lostAt === undefined || runs(session)

  /** While people are held back at admission, a grace that ends goes on for as long as they have been, up to a limit. */
  function runs(grace: { graceEndsAt: number; putOffMs: number }): boolean {
    while (truth.now >= grace.graceEndsAt) {
      const ms = Math.min(delayMs, settings.admissionWaitMs - grace.putOffMs)
      if (ms <= 0) return false
      grace.putOffMs += ms
      grace.graceEndsAt += ms
      putOffs++
    }
    return true
  }

  const isIn = (rooms: readonly TrueRoom[] | undefined, room: TrueRoom) =>
    rooms?.some((other) => keyOf(other) === keyOf(room)) === true

  /** A room that nobody's own rows name is not held; who is no member of a conversation does not type there. */
  function settle(): void {
    for (const [key, { room }] of told) if (!truth.isHeld(room)) told.delete(key)
    for (const session of sessions) {
      const { typing, userId } = session
      if (!typing) continue
      if (!truth.isMember(userId, { kind: 'conversation', id: typing.conversationId }))
        session.typing = undefined
    }
  }

  function localDevices(userId: UserId): Set<string> {
    return new Set(sessions.filter((s) => s.userId === userId && counts(s)).map((s) => s.device))
  }

  const truth: Truth = {
    now: 0,
    sessions,
    get putOffs() {
      return putOffs
    },
    counts,
    connect({ id, userId, deviceId, clientId }) {
      const mine = sessions.filter((session) => session.userId === userId && counts(session))
      const lost = mine
        .filter((s) => s.lostAt !== undefined)
        .sort((a, b) => (a.lostAt ?? 0) - (b.lostAt ?? 0))
      const replaced =
        clientId === undefined ? undefined : mine.find((session) => session.clientId === clientId)
      const adopted = deviceId === undefined ? lost.find((session) => session.isAnonymous) : undefined
      const older = replaced ?? adopted
      if (older) remove(older)
      else if (mine.length >= settings.sessionsPerUserMax) {
        if (!lost[0]) return
        remove(lost[0])
      }
      const anonymousDevice = older?.isAnonymous ? older.device : `anonymous ${id}`
      sessions.push({
        id,
        userId,
        device: deviceId === undefined ? anonymousDevice : `named ${deviceId}`,
        isAnonymous: deviceId === undefined,
        clientId,
        lostAt: undefined,
        graceEndsAt: 0,
        putOffMs: 0,
        backgroundGraceMs: undefined,
        typing: undefined,
      })
    },
    lose(id, graceMs = settings.graceMs) {
      const session = find(id)
      if (!session) return
      session.lostAt = truth.now
      session.graceEndsAt = truth.now + (session.backgroundGraceMs ?? graceMs)
      session.putOffMs = 0
      session.typing = undefined
    },
    end(id) {
      const session = find(id)
      if (session) remove(session)
    },
    endDevice(id) {
      const session = find(id)
      if (!session) return
      for (const other of [...sessions]) {
        if (other.userId === session.userId && other.device === session.device) remove(other)
      }
    },
    type(id, conversationId, isStart) {
      const session = find(id)
      if (!session) return
      if (!truth.isMember(session.userId, { kind: 'conversation', id: conversationId })) return
      if (isStart) {
        session.backgroundGraceMs = undefined
        session.typing = { conversationId, endsAt: truth.now + settings.typingLeaseMs }
      } else if (session.typing?.conversationId === conversationId) session.typing = undefined
    },
    background(id, graceMs) {
      const session = find(id)
      if (!session) return
      session.backgroundGraceMs = graceMs
      session.typing = undefined
    },
    contribute(node, userId, devices) {
      const known = nodes.get(node) ?? {
        devices: new Map<UserId, readonly string[]>(),
        graceEndsAt: Infinity,
        putOffMs: 0,
      }
      nodes.set(node, known)
      if (!runs(known)) known.devices.clear()
      known.graceEndsAt = Infinity
      known.devices.set(userId, devices)
    },
    loseNode(node) {
      const known = nodes.get(node)
      if (known?.graceEndsAt !== Infinity) return
      known.graceEndsAt = truth.now + settings.reattachGraceMs
      known.putOffMs = 0
    },
    holdBack(ms) {
      // What is over by now is over, and what was put off so far was so by the delay before this one.
      for (const session of [...sessions]) if (!counts(session)) remove(session)
      for (const [name, node] of nodes) if (!runs(node)) nodes.delete(name)
      delayMs = ms
    },
    addRow(userId, room) {
      if (!rows.some((row) => row.userId === userId && keyOf(row.room) === keyOf(room)))
        rows.push({ userId, room })
    },
    removeRow(userId, room) {
      const index = rows.findIndex((row) => row.userId === userId && keyOf(row.room) === keyOf(room))
      if (index >= 0) rows.splice(index, 1)
    },
    rowsOf: (userId) => rows.filter((row) => row.userId === userId).map((row) => row.room),
    rosterOf: (room) => rows.filter((row) => keyOf(row.room) === keyOf(room)).map((row) => row.userId),
    tellOwn(userId, rooms) {
      if (rooms) own.set(userId, rooms)
      else own.delete(userId)
      settle()
    },
    tellRoom(room, roster) {
      const before = told.get(keyOf(room))
      const isBetween = roster.length > settings.namesMax * 0.8 && roster.length <= settings.namesMax
      const isCounted = isBetween ? before?.isCounted === true : roster.length > settings.namesMax
      told.set(keyOf(room), { room, roster, isCounted })
      settle()
    },
    ownOf: (userId) => own.get(userId),
    toldRosterOf: (room) => told.get(keyOf(room))?.roster ?? [],
    isHeld: (room) => [...own.values()].some((rooms) => isIn(rooms, room)),
    heldRooms: () => [...told.values()].map(({ room }) => room),
    isCounted: (room) => told.get(keyOf(room))?.isCounted === true,
    isMember: (userId, room) =>
      truth.isCounted(room)
        ? isIn(own.get(userId), room)
        : told.get(keyOf(room))?.roster.includes(userId) === true,
    membersOf: (room) =>
      truth.isCounted(room)
        ? [...own.keys()].filter((userId) => truth.isMember(userId, room))
        : [...truth.toldRosterOf(room)],
    roomsOf: (userId) => truth.heldRooms().filter((room) => truth.isMember(userId, room)),
    presenceOf(userId) {
      const devices = localDevices(userId)
      for (const node of nodes.values()) {
        if (!runs(node)) continue
        for (const device of node.devices.get(userId) ?? []) devices.add(`remote ${device}`)
      }
      return { online: devices.size > 0, count: devices.size }
    },
    devicesOf: (userId) => localDevices(userId).size,
    isLive: (id) => find(id)?.lostAt === undefined && find(id) !== undefined,
    typists(conversationId) {
      const typing = sessions.filter((session) => {
        const lease = session.typing
        return lease?.conversationId === conversationId && truth.now < lease.endsAt
      })
      return [...new Set(typing.map((session) => session.userId))]
    },
  }
  return truth
}
