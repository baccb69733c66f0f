/**
 * Beside step 2 · a map of which every version can be read, and whose newest version is written without copying the others.
 *
 * The newest version holds the entries. With each version stands in what the version before it differs. So a change costs
 * what it changes, and not what there is; and a holder of an older version sees no change. `undefined` is no value.
 */
export class VersionedMap<Key, Value> {
  /** Those of this version while there is no newer one. */
  #entries: Map<Key, Value>
  #newer: VersionedMap<Key, Value> | undefined
  /** Entries of the version before this one that are others here; `undefined`: it had none. */
  readonly #before = new Map<Key, Value | undefined>()

  /** Takes `entries` over: nobody else may write them. */
  constructor(entries = new Map<Key, Value>()) {
    this.#entries = entries
  }

  /** The next version. From now on only that one may be written. Made from an older version, it costs a copy. */
  next(): VersionedMap<Key, Value> {
    return (this.#newer = new VersionedMap(this.#all()))
  }

  /** `undefined` takes the entry away. */
  set(key: Key, value: Value | undefined): void {
    // The first value that is replaced is the one that the version before has.
    if (!this.#before.has(key)) this.#before.set(key, this.get(key))
    write(this.#entries, key, value)
  }

  get(key: Key): Value | undefined {
    let version = this as VersionedMap<Key, Value>
    while (version.#newer) {
      version = version.#newer
      if (version.#before.has(key)) return version.#before.get(key)
    }
    return version.#entries.get(key)
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined
  }

  get size(): number {
    return this.#all().size
  }

  keys() {
    return this.#all().keys()
  }

  values() {
    return this.#all().values()
  }

  [Symbol.iterator]() {
    return this.#all()[Symbol.iterator]()
  }

  /** An older version that is asked for all gets entries of its own: a copy, once. */
  #all(): Map<Key, Value> {
    const differences: ReadonlyMap<Key, Value | undefined>[] = []
    let version = this as VersionedMap<Key, Value>
    while (version.#newer) {
      version = version.#newer
      differences.unshift(version.#before)
    }
    if (this.#newer) {
      this.#newer = undefined
      this.#entries = new Map(version.#entries)
      for (const difference of differences) {
        for (const [key, value] of difference) write(this.#entries, key, value)
      }
    }
    return this.#entries
  }
}

function write<Key, Value>(entries: Map<Key, Value>, key: Key, value: Value | undefined): void {
  if (value === undefined) entries.delete(key)
  else entries.set(key, value)
}
