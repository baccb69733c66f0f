/**
 * Step 3 of 3 · who wants to know.
 * In:   pictures and what in them changed (from sync.ts), states (from connection.ts)
 * Out:  a listener is called when, and only when, what it selected is another value
 */
import type { ConnectionState } from './connection.js'
import { NO_CHANGES, type Changes, type Picture, type Room } from './sync.js'
import { createView, isSame, NOTHING_SHOWN, type Kind, type PresenceView, type Shown } from './view.js'

/** Picks a value out of a view. It must be pure: what it read decides when it is asked again. */
export type Selector<Value> = (view: PresenceView) => Value

/**
 * A selected value, made for `useSyncExternalStore(selection.subscribe, selection.get)`: `get` returns the same
 * object until the value is another one.
 */
export interface Selection<Value> {
  get(): Value
  /** Calls `listener` when the value is another one, until the function that it returns is called. */
  subscribe(listener: (value: Value) => void): () => void
}

export interface Update {
  readonly state: ConnectionState
  readonly picture: Picture
  readonly changes: Changes
}

export interface Store extends PresenceView {
  select<Value>(selector: Selector<Value>): Selection<Value>
  /** Shows another picture or state, and wakes those whom it concerns, each once. */
  update(update: Partial<Update>, now: number): void
  /** Hears of each update; before the selections do. */
  onUpdate(listener: (before: Shown, after: Shown, changes: Changes) => void): void
}

/** A selection that somebody listens to. */
interface Entry {
  /** Selects again; what has changed is told by {@link Entry.tell}. */
  refresh(): void
  tell(): void
  readonly reads: Map<Kind, Set<string>>
}

type Reads = Entry['reads']

/** `report` hears what selectors and listeners throw: one that fails must not keep the others from hearing. */
export function createStore(report: (error: unknown) => void): Store {
  let shown: Shown = NOTHING_SHOWN
  let version = 0
  /** What the selector that runs just now has read; undefined when none runs. */
  let reading: Reads | undefined
  const readers = new Map<Kind, Map<string, Set<Entry>>>()
  const updateListeners: ((before: Shown, after: Shown, changes: Changes) => void)[] = []

  const view = createView(
    () => shown,
    (kind, id) => {
      if (reading) idsOf(reading, kind).add(id)
    },
  )

  function evaluate<Value>(selector: Selector<Value>, reads: Reads): Value {
    const outer = reading
    reading = reads
    try {
      return selector(view)
    } finally {
      reading = outer
    }
  }

  function register(entry: Entry): void {
    for (const [kind, ids] of entry.reads) {
      const byId = getOrMake(readers, kind, () => new Map<string, Set<Entry>>())
      for (const id of ids) getOrMake(byId, id, () => new Set<Entry>()).add(entry)
    }
  }

  function unregister(entry: Entry): void {
    for (const [kind, ids] of entry.reads) {
      const byId = readers.get(kind)
      for (const id of ids) {
        const entries = byId?.get(id)
        entries?.delete(entry)
        if (entries?.size === 0) byId?.delete(id)
      }
    }
    entry.reads.clear()
  }

  function guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      report(error)
    }
  }

  function select<Value>(selector: Selector<Value>): Selection<Value> {
    const listeners = new Set<{ readonly call: (value: Value) => void }>()
    let value: Value
    let seen = -1
    let isOwed = false

    const refresh = (reads: Reads) => {
      const next = evaluate(selector, reads)
      const isFirst = seen === -1
      seen = version
      if (!isFirst && isSame(value, next)) return
      value = next
      isOwed = !isFirst
    }
    const entry: Entry = {
      reads: new Map(),
      refresh() {
        unregister(entry)
        try {
          refresh(entry.reads)
        } finally {
          // Also when the selector threw: what it had read by then may mend it.
          register(entry)
        }
      },
      tell() {
        // A listener before this one may have caused an update of its own, which has told it all.
        if (!isOwed) return
        isOwed = false
        for (const listener of [...listeners]) {
          if (listeners.has(listener)) guarded(() => listener.call(value))
        }
      },
    }
    return {
      get() {
        // With listeners it is refreshed by updates; without, when it is asked for.
        if (seen === -1 || (listeners.size === 0 && seen !== version)) refresh(new Map())
        return value
      },
      subscribe(call) {
        const listener = { call }
        listeners.add(listener)
        if (listeners.size === 1) {
          guarded(entry.refresh)
          // What changed while nobody listened is found by whoever subscribes, with `get`.
          isOwed = false
        }
        return () => {
          if (listeners.delete(listener) && listeners.size === 0) unregister(entry)
        }
      },
    }
  }

  function concerned(before: Shown, changes: Changes): Set<Entry> {
    const entries = new Set<Entry>()
    const add = (kind: Kind, ids: Iterable<string>) => {
      const byId = readers.get(kind)
      if (byId?.size) for (const id of ids) for (const entry of byId.get(id) ?? []) entries.add(entry)
    }
    const { groups, conversations } = shown.picture
    add('user', changes.users)
    add('typing', changes.typing)
    add('group room', changes.groups)
    add('group crowd', changes.groups)
    add('conversation room', changes.conversations)
    add('conversation crowd', changes.conversations)
    add('group crowd', crowdsOf(readers.get('group crowd'), groups, changes.users))
    add('conversation crowd', crowdsOf(readers.get('conversation crowd'), conversations, changes.users))
    if (changes.devices) add('devices', [''])
    if (
      isOtherKeys(changes.groups, before.picture.groups, groups) ||
      isOtherKeys(changes.conversations, before.picture.conversations, conversations)
    ) {
      add('rooms', [''])
    }
    if (before.state !== shown.state) add('state', [''])
    // Nobody is shown as typing while disconnected.
    if ((before.state.name === 'live') !== (shown.state.name === 'live')) {
      add('typing', readers.get('typing')?.keys() ?? [])
    }
    return entries
  }

  return {
    ...view,
    select,
    update({ picture = shown.picture, state = shown.state, changes = NO_CHANGES }, now) {
      const before = shown
      const wasLive = before.state.name === 'live'
      const isLive = state.name === 'live'
      const unknownSince = isLive ? undefined : wasLive ? now : before.unknownSince
      shown = { picture, state, unknownSince }
      version += 1
      const entries = concerned(before, changes)
      // All values first: a listener that reads other selections must find them true.
      for (const entry of entries) guarded(entry.refresh)
      const after = shown
      for (const listener of updateListeners) guarded(() => listener(before, after, changes))
      for (const entry of entries) entry.tell()
    },
    onUpdate(listener) {
      updateListeners.push(listener)
    },
  }
}

/** The rooms that somebody looks at and in which one of `users` is. */
function* crowdsOf<Id extends string>(
  watched: ReadonlyMap<string, unknown> | undefined,
  rooms: ReadonlyMap<Id, Room>,
  users: Changes['users'],
): Iterable<string> {
  if (users.size === 0) return
  for (const id of watched?.keys() ?? []) {
    const roster = rooms.get(id as Id)?.roster
    for (const user of users) {
      if (!roster?.has(user)) continue
      yield id
      break
    }
  }
}

function isOtherKeys<Id>(
  changed: ReadonlySet<Id>,
  before: ReadonlyMap<Id, unknown>,
  after: ReadonlyMap<Id, unknown>,
): boolean {
  for (const id of changed) if (before.has(id) !== after.has(id)) return true
  return false
}

function idsOf(reads: Reads, kind: Kind): Set<string> {
  return getOrMake(reads, kind, () => new Set<string>())
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
