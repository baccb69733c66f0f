/**
 * Step 3 of 3 · who wants to know.
 * In:   pictures and what in them changed (from sync.ts), states (from connection.ts)
 * Out:  a listener is called when, and only when, what it selected is another value
 */
import type { ConnectionState } from './connection.js'
import { NO_CHANGES, type Changes, type Picture, type Room } from './sync.js'
import { isSame } from './same.js'
import type { VersionedMap } from './versioned-map.js'
import { createView, NOTHING_SHOWN, ROOM_KINDS, type Kind, type PresenceView, type Shown } from './view.js'

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
}

/** From one update to the next. */
export type Way = readonly [before: Shown, after: Shown, changes: Changes]

/** A selection that somebody listens to. */
interface Entry {
  /** Selects again; what has changed is told by {@link Entry.tell}. */
  refresh(): void
  tell(): void
  /** Each takes it from those who read one thing. */
  readonly unread: (() => void)[]
}

interface Listener<Value> {
  readonly call: (value: Value) => void
  /** What it was told last, or could have read when it came; undefined when there was nothing to read. */
  heard: Selected<Value> | undefined
}

/**
 * `report` hears what selectors, comparisons and listeners throw: one that fails must not keep the others from hearing. So
 * `report` itself must not throw, unless a test is to fail at once. `onUpdate` hears of each update, before the selections
 * do, and never throws.
 */
export function createStore(report: (error: unknown) => void, onUpdate?: (way: Way) => void): Store {
  let shown: Shown = NOTHING_SHOWN
  /** Whose selector runs just now, if somebody listens to it. */
  let reading: Entry | undefined
  const readers = new Map<Kind, Map<string, Set<Entry>>>()

  const view = createView(
    () => shown,
    (kind, id) => {
      const entry = reading
      if (!entry) return
      const byId = getOrMake(readers, kind, () => new Map<string, Set<Entry>>())
      const entries = getOrMake(byId, id, () => new Set<Entry>())
      if (entries.has(entry)) return
      entries.add(entry)
      entry.unread.push(() => {
        entries.delete(entry)
        if (entries.size === 0) byId.delete(id)
      })
    },
  )

  function evaluate<Value>(selector: Selector<Value>, entry: Entry | undefined): Value {
    const outer = reading
    reading = entry
    try {
      return selector(view)
    } finally {
      reading = outer
    }
  }

  function forgetReads({ unread }: Entry): void {
    for (const end of unread.splice(0)) end()
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
    /** Whether `selected` is what the selector picks; without listeners nobody keeps it so. */
    let isTrue = false

    /** A comparison that throws has found no equal: what is shown is true, and perhaps told once too often. */
    const isTheSame = (before: Value, after: Value) => {
      let isIt = Object.is(before, after)
      if (!isIt) guarded(() => void (isIt = isEqual(before, after)))
      return isIt
    }
    const refresh = () => {
      isTrue = false
      forgetReads(entry)
      // What a selector has read until it throws may mend it.
      const value = evaluate(selector, listeners.size > 0 ? entry : undefined)
      if (!selected || !isTheSame(selected.value, value)) selected = { value }
      isTrue = listeners.size > 0
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
      unread: [],
      refresh,
      tell() {
        for (const listener of [...listeners]) if (isTrue && listeners.has(listener)) tell(listener)
      },
    }
    return {
      get() {
        if (!isTrue) refresh()
        return (selected as Selected<Value>).value
      },
      subscribe(call, { immediate = false } = {}) {
        const listener: Listener<Value> = { call, heard: undefined }
        listeners.add(listener)
        if (listeners.size === 1) guarded(refresh)
        if (isTrue) {
          if (immediate) tell(listener)
          else listener.heard = selected
        }
        return () => {
          if (!listeners.delete(listener) || listeners.size > 0) return
          isTrue = false
          forgetReads(entry)
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
    const users = [...changes.users]
    add('user', users)
    add('typing', changes.typing)
    for (const kind of ROOM_KINDS) {
      const changed: ReadonlySet<string> = changes[`${kind}s`]
      const rooms: VersionedMap<string, Room> = shown.picture[`${kind}s`]
      const crowd = `${kind} crowd` as const
      add(`${kind} room`, changed)
      add(crowd, changed)
      // The rooms that somebody looks at and in which one of the users is.
      for (const id of readers.get(crowd)?.keys() ?? []) {
        if (users.some((user) => rooms.get(id)?.roster.has(user))) add(crowd, [id])
      }
      const known: VersionedMap<string, Room> = before.picture[`${kind}s`]
      if ([...changed].some((id) => known.has(id) !== rooms.has(id))) add('rooms', [''])
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
      const unknownSince =
        state.name === 'live' ? undefined : before.state.name === 'live' ? now : before.unknownSince
      shown = { picture, state, unknownSince }
      const entries = concerned(before, changes)
      // All values first: a listener that reads other selections must find them true.
      for (const entry of entries) guarded(entry.refresh)
      onUpdate?.([before, shown, changes])
      for (const entry of entries) entry.tell()
    },
  }
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
