/**
 * Step 3 of 3 · who wants to know.
 * In:   pictures and what in them changed (from sync.ts), states (from connection.ts)
 * Out:  a listener is called when, and only when, what it selected is another value
 */
import type { ConnectionState } from './connection.js'
import { NO_CHANGES, type Changes, type Picture, type Room } from './sync.js'
import {
  createView,
  isSame,
  NOTHING_SHOWN,
  ROOM_KINDS,
  type Kind,
  type PresenceView,
  type Shown,
} from './view.js'

/** Picks a value out of a view. It must be pure: what it read decides when it is asked again. */
export type Selector<Value> = (view: PresenceView) => Value

/** Whether two selected values say the same: then the earlier one is kept, and nobody is told. */
export type IsEqual<Value> = (earlier: Value, later: Value) => boolean

/** A value that was selected. */
export interface Selected<Value> {
  readonly value: Value
}

export interface SelectionOptions {
  /** Whether the listener is also called at once, before the call returns, with the value of now. @default false */
  readonly immediate?: boolean | undefined
}

export interface SubscribeOptions<Value> extends SelectionOptions {
  /** @default lists item by item, plain objects field by field, anything else by identity */
  readonly isEqual?: IsEqual<Value> | undefined
}

/**
 * A selected value, made for `useSyncExternalStore(selection.subscribe, selection.get)`: `get` returns the same
 * object until the value is another one.
 */
export interface Selection<Value> {
  /** @throws What the selector throws. */
  get(): Value
  /**
   * Calls `listener` when the value is another one, until the function that it returns is called. A selector that throws
   * now is reported, and the listener is told the first value that there is.
   */
  subscribe(listener: (value: Value) => void, options?: SelectionOptions): () => void
}

export interface Update {
  readonly state: ConnectionState
  readonly picture: Picture
  readonly changes: Changes
}

export interface Store extends PresenceView {
  select<Value>(
    selector: Selector<Value>,
    isEqual?: IsEqual<Value>,
    earlier?: Selected<Value>,
  ): Selection<Value>
  subscribe<Value>(
    selector: Selector<Value>,
    listener: (value: Value) => void,
    options?: SubscribeOptions<Value>,
  ): () => void
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

interface Listener<Value> {
  readonly call: (value: Value) => void
  /** What it was told last, or could have read when it came; undefined when there was nothing to read. */
  heard: Selected<Value> | undefined
}

/**
 * `report` hears what selectors, comparisons and listeners throw: one that fails must not keep the others from hearing. So
 * `report` itself must not throw, unless a test is to fail at once.
 */
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

  function guarded(run: () => unknown): void {
    try {
      const result = run()
      // A listener may be asynchronous, and nobody else would hear that it failed.
      if (result instanceof Promise) result.catch(report)
    } catch (error) {
      report(error)
    }
  }

  function select<Value>(
    selector: Selector<Value>,
    isEqual: IsEqual<Value> = isSame,
    earlier?: Selected<Value>,
  ): Selection<Value> {
    const listeners = new Set<Listener<Value>>()
    let selected = earlier
    /** As of when `selected` is true; -1 when it is not known to be: never asked for, or the selector threw. */
    let seen = -1

    /** A comparison that throws has found no equal: what is shown is true, and perhaps told once too often. */
    const isTheSame = (earlier: Value, later: Value) => {
      let isIt = Object.is(earlier, later)
      if (!isIt) guarded(() => void (isIt = isEqual(earlier, later)))
      return isIt
    }
    const refresh = (reads: Reads) => {
      seen = -1
      const value = evaluate(selector, reads)
      if (!selected || !isTheSame(selected.value, value)) selected = { value }
      seen = version
    }
    const tell = (listener: Listener<Value>) => {
      const { heard } = listener
      const now = selected
      // An update that a listener before this one has caused may have told it all, or taken it back.
      if (!now || heard === now) return
      listener.heard = now
      if (!heard || !isTheSame(heard.value, now.value)) guarded(() => listener.call(now.value))
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
        for (const listener of [...listeners]) if (seen !== -1 && listeners.has(listener)) tell(listener)
      },
    }
    return {
      get() {
        // With listeners it is refreshed by updates; without, when it is asked for.
        if (listeners.size === 0 && seen !== version) refresh(new Map())
        else if (seen === -1) entry.refresh()
        return (selected as Selected<Value>).value
      },
      subscribe(call, { immediate = false } = {}) {
        const listener: Listener<Value> = { call, heard: undefined }
        listeners.add(listener)
        if (listeners.size === 1) guarded(entry.refresh)
        if (seen !== -1) {
          if (immediate) tell(listener)
          else listener.heard = selected
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
    add('user', changes.users)
    add('typing', changes.typing)
    for (const kind of ROOM_KINDS) {
      const changed: ReadonlySet<string> = changes[`${kind}s`]
      const rooms: ReadonlyMap<string, Room> = shown.picture[`${kind}s`]
      const crowd = `${kind} crowd` as const
      add(`${kind} room`, changed)
      add(crowd, changed)
      add(crowd, crowdsOf(readers.get(crowd), rooms, changes.users))
      if (isOtherKeys(changed, before.picture[`${kind}s`], rooms)) add('rooms', [''])
    }
    if (changes.devices) add('devices', [''])
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
    subscribe: (selector, listener, { isEqual, ...options } = {}) =>
      select(selector, isEqual).subscribe(listener, options),
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
function* crowdsOf(
  watched: ReadonlyMap<string, unknown> | undefined,
  rooms: ReadonlyMap<string, Room>,
  users: Changes['users'],
): Iterable<string> {
  if (users.size === 0) return
  for (const id of watched?.keys() ?? []) {
    const roster = rooms.get(id)?.roster
    for (const user of users) {
      if (!roster?.has(user)) continue
      yield id
      break
    }
  }
}

function isOtherKeys(
  changed: ReadonlySet<string>,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
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
