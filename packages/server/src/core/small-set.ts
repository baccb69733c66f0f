/** Up to so many are a list, which is looked through as soon as a hash is found, and takes half the memory or less. */
const FEW = 8

/**
 * A set that is a list while it is small. There is one for each room, and most rooms are two people. In order of coming,
 * and it may change while it is visited, as with `Set`.
 */
export class SmallSet<Item> implements Iterable<Item> {
  /** The list is replaced, never changed. */
  #items: readonly Item[] | Set<Item> = []

  get size(): number {
    return this.#items instanceof Set ? this.#items.size : this.#items.length
  }

  has(item: Item): boolean {
    return this.#items instanceof Set ? this.#items.has(item) : this.#items.includes(item)
  }

  add(item: Item): void {
    if (this.#items instanceof Set) this.#items.add(item)
    else if (this.#items.length === 0) this.#items = [item]
    else if (this.#items.includes(item)) return
    // `concat` makes a list of just the right length, which a spread does not.
    else if (this.#items.length < FEW) this.#items = this.#items.concat(item)
    else this.#items = new Set(this.#items).add(item)
  }

  /** One that was large stays a `Set`: it may grow again. */
  delete(item: Item): void {
    if (this.#items instanceof Set) this.#items.delete(item)
    else if (this.#items.includes(item)) this.#items = this.#items.filter((other) => other !== item)
  }

  /** What `for … of` does; but an iterator that is sometimes of a list and sometimes of a set makes an object for each item. */
  forEach(visit: (item: Item) => void): void {
    if (this.#items instanceof Set) this.#items.forEach(visit)
    else for (const item of this.#items) visit(item)
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#items[Symbol.iterator]()
  }
}
