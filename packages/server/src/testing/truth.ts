/**
 * The truth beside the engine: what must be so, computed anew each time from what happened, as plainly and
 * slowly as it can be said. It shares no code with the engine, or both would be wrong together.
 */
import type { ConversationId, GroupId, SessionId, UserId } from '@vigie/protocol'
import type { Presence, Settings, TransitionReason } from '../core/index.js'

export interface TrueSession {
  readonly id: SessionId
  readonly userId: UserId
  /** Equal for the sessions of one device. */
  readonly device: string
  readonly isAnonymous: boolean
  readonly clientId: string | undefined
  /** It speaks protocol 2. */
  readonly isSdk: boolean
  /** Undefined while the connection is there. */
  lostAt: number | undefined
  graceEndsAt: number
  /** By how much `graceEndsAt` was put off. */
  putOffMs: number
  backgroundGraceMs: number | undefined
  /** The end of its grace was seen. */
  isOver: boolean
  /** Where it types, and until when unless it is repeated. */
  typing: { readonly conversationId: ConversationId; readonly endsAt: number } | undefined
}

export type TrueRoom =
  | { readonly kind: 'group'; readonly id: GroupId }
  | { readonly kind: 'conversation'; readonly id: ConversationId }

/** What happened to a user, and why. */
export interface TrueTransition {
  readonly userId: UserId
  readonly at: number
  readonly reason: TransitionReason
  /** Undefined for what another node did. */
  readonly session: { readonly id: SessionId; readonly device: string } | undefined
  /** Equal for what one input made happen. */
  batch: number
  /** What others saw when all of its batch had happened. */
  count: number
}

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
    isSdk?: boolean | undefined
  }): void
  lose(id: SessionId, reason: TransitionReason, graceMs?: number): void
  end(id: SessionId, reason: TransitionReason): void
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
  nodesOf(userId: UserId): { node: string; devices: readonly string[]; isLost: boolean }[]
  /** An input has happened: graces that are over by now are seen to be, and what others see is what it is. */
  settleTransitions(): void
  /** The oldest first. */
  transitionsOf(userId: UserId): TrueTransition[]
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
    {
      devices: Map<UserId, readonly string[]>
      graceEndsAt: number
      putOffMs: number
      /** The losses of nodes in their order. */
      lostAs: number
    }
  >()
  const transitions: TrueTransition[] = []
  let losses = 0
  let batch = 0
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

  function note(userId: UserId, reason: TransitionReason, session?: { id: SessionId; device: string }): void {
    const about = session && { id: session.id, device: session.device }
    transitions.push({ userId, at: truth.now, reason, session: about, batch, count: -1 })
  }

  /** Graces that are over, each once; of nodes those by whose end others see a difference. */
  function noteEnds(): void {
    for (const session of sessions) {
      if (session.isOver || counts(session)) continue
      session.isOver = true
      note(session.userId, 'grace_over', session)
    }
    const over = [...nodes].filter(([, node]) => !runs(node))
    over.sort(([, a], [, b]) => a.graceEndsAt - b.graceEndsAt || a.lostAs - b.lostAs)
    for (const [name, { devices }] of over) {
      nodes.delete(name)
      for (const [userId, mine] of devices) {
        const others = new Set([...nodes.values()].flatMap((node) => node.devices.get(userId) ?? []))
        if (mine.some((device) => !others.has(device))) note(userId, 'node_lost')
      }
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
    connect({ id, userId, deviceId, clientId, isSdk = false }) {
      const mine = sessions.filter((session) => session.userId === userId && counts(session))
      const lost = mine
        .filter((s) => s.lostAt !== undefined)
        .sort((a, b) => (a.lostAt ?? 0) - (b.lostAt ?? 0))
      const replaced =
        clientId === undefined ? undefined : mine.find((session) => session.clientId === clientId)
      const adopted = deviceId === undefined ? lost.find((session) => session.isAnonymous) : undefined
      const older = replaced ?? adopted
      const anonymousDevice = older?.isAnonymous ? older.device : `anonymous ${id}`
      const device = deviceId === undefined ? anonymousDevice : `named ${deviceId}`
      if (older) remove(older)
      else if (mine.length >= settings.sessionsPerUserMax) {
        note(userId, 'too_many_sessions', lost[0] ?? { id, device })
        if (!lost[0]) return
        remove(lost[0])
      }
      if (!older) note(userId, 'connected', { id, device })
      else note(userId, older.lostAt === undefined ? 'replaced' : 'returned', { id, device })
      sessions.push({
        id,
        userId,
        device,
        isAnonymous: deviceId === undefined,
        clientId,
        isSdk,
        lostAt: undefined,
        graceEndsAt: 0,
        putOffMs: 0,
        backgroundGraceMs: undefined,
        isOver: false,
        typing: undefined,
      })
    },
    lose(id, reason, graceMs = settings.graceMs) {
      const session = find(id)
      if (!session) return
      note(session.userId, reason, session)
      session.lostAt = truth.now
      session.graceEndsAt = truth.now + (session.backgroundGraceMs ?? graceMs)
      session.putOffMs = 0
      session.typing = undefined
    },
    end(id, reason) {
      const session = find(id)
      if (!session) return
      remove(session)
      note(session.userId, reason, session)
    },
    endDevice(id) {
      const session = find(id)
      if (!session) return
      for (const other of [...sessions]) {
        if (other.userId !== session.userId || other.device !== session.device || other.isOver) continue
        remove(other)
        note(other.userId, 'logged_out', other)
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
        lostAs: 0,
      }
      nodes.set(node, known)
      if (!runs(known)) known.devices.clear()
      known.graceEndsAt = Infinity
      const before = truth.presenceOf(userId).count
      known.devices.set(userId, devices)
      if (truth.presenceOf(userId).count !== before) note(userId, 'other_node')
    },
    loseNode(node) {
      const known = nodes.get(node)
      if (known?.graceEndsAt !== Infinity) return
      known.graceEndsAt = truth.now + settings.reattachGraceMs
      known.putOffMs = 0
      known.lostAs = ++losses
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
    nodesOf: (userId) =>
      [...nodes].flatMap(([node, known]) => {
        const devices = known.devices.get(userId) ?? []
        if (devices.length === 0 || !runs(known)) return []
        return [{ node, devices, isLost: known.graceEndsAt !== Infinity }]
      }),
    settleTransitions() {
      noteEnds()
      for (const each of transitions)
        if (each.batch === batch) each.count = truth.presenceOf(each.userId).count
      batch++
    },
    transitionsOf: (userId) => transitions.filter((each) => each.userId === userId),
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
