/**
 * Beside step 2 · a map of which every version can be read, and whose newest version is written without copying the others.
 *
 * The newest version holds the entries. An older version holds only the entries in which it differs from the version after
 * it. So a change costs what it changes, and not what there is; and whoever holds an older version sees no change.
 */
type Held<Key, Value> =
  | { readonly entries: Map<Key, Value> }
  | {
      /** What differs from `newer`; `undefined` stands for an entry that did not exist. */
      readonly earlier: ReadonlyMap<Key, Value | undefined>
      readonly newer: VersionedMap<Key, Value>
      readonly size: number
    }

/** `undefined` cannot be a value. */
export class VersionedMap<Key, Value> implements ReadonlyMap<Key, Value> {
  #held: Held<Key, Value>
  /** The differences of the version before this one, which grow with each write. */
  readonly #undo = new Map<Key, Value | undefined>()

  /** Takes `entries` over: nobody else may write them. */
  constructor(entries: Map<Key, Value>) {
    this.#held = { entries }
  }

  /** The next version. From now on only that one may be written. Made from an older version, it costs a copy. */
  next(): VersionedMap<Key, Value> {
    const held = this.#held
    if ('newer' in held) return new VersionedMap(this.#copy())
    const newer = new VersionedMap(held.entries)
    this.#held = { earlier: newer.#undo, newer, size: held.entries.size }
    return newer
  }

  set(key: Key, value: Value): void {
    this.#note(key)
    this.#entries().set(key, value)
  }

  delete(key: Key): void {
    this.#note(key)
    this.#entries().delete(key)
  }

  get size(): number {
    return 'newer' in this.#held ? this.#held.size : this.#held.entries.size
  }

  get(key: Key): Value | undefined {
    let held = this.#held
    while ('newer' in held) {
      if (held.earlier.has(key)) return held.earlier.get(key)
      held = held.newer.#held
    }
    return held.entries.get(key)
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined
  }

  keys() {
    return this.#entries().keys()
  }

  values() {
    return this.#entries().values()
  }

  entries() {
    return this.#entries().entries()
  }

  [Symbol.iterator]() {
    return this.entries()
  }

  forEach(visit: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this) visit(value, key, this)
  }

  /** The first earlier value of a key is the one that the version before has. */
  #note(key: Key): void {
    if (!this.#undo.has(key)) this.#undo.set(key, this.get(key))
  }

  /** An older version that is iterated gets entries of its own: a copy, once. */
  #entries(): Map<Key, Value> {
    if (!('newer' in this.#held)) return this.#held.entries
    const entries = this.#copy()
    this.#held = { entries }
    return entries
  }

  #copy(): Map<Key, Value> {
    const steps: ReadonlyMap<Key, Value | undefined>[] = []
    let held = this.#held
    for (; 'newer' in held; held = held.newer.#held) steps.push(held.earlier)
    const entries = new Map(held.entries)
    for (const earlier of steps.reverse()) {
      for (const [key, value] of earlier) {
        if (value === undefined) entries.delete(key)
        else entries.set(key, value)
      }
    }
    return entries
  }
}

export function isVersioned<Key, Value>(map: ReadonlyMap<Key, Value>): map is VersionedMap<Key, Value> {
  return map instanceof VersionedMap
}
