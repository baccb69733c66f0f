/**
 * Which of many things is due next. A binary heap whose entries know their places, so that a deadline that is moved or
 * taken back leaves nothing behind: what an entry names, an ended session say, with its connection, would stay in memory.
 */
export class Deadlines<Item> {
  readonly #entries = new Map<Item, Entry<Item>>()
  readonly #heap: Entry<Item>[] = []
  #order = 0

  /** Sets or moves the deadline of `item`. */
  set(item: Item, at: number): void {
    const known = this.#entries.get(item)
    if (known?.at === at) return
    const order = this.#order++
    if (known) {
      known.at = at
      known.order = order
      this.#settle(known)
    } else {
      const entry = { item, at, order, place: this.#heap.length }
      this.#entries.set(item, entry)
      this.#heap.push(entry)
      this.#rise(entry)
    }
  }

  delete(item: Item): void {
    const entry = this.#entries.get(item)
    if (entry) this.#remove(entry)
  }

  /** The deadline of `item`, if it has one. */
  of(item: Item): number | undefined {
    return this.#entries.get(item)?.at
  }

  /** The earliest deadline, or undefined when there is none. */
  next(): number | undefined {
    return this.#heap[0]?.at
  }

  /** Takes one item whose deadline is not after `now`: the earliest, of equal ones the first set. */
  takeDue(now: number): Item | undefined {
    const top = this.#heap[0]
    if (!top || top.at > now) return undefined
    this.#remove(top)
    return top.item
  }

  #remove(entry: Entry<Item>): void {
    this.#entries.delete(entry.item)
    const last = this.#heap.pop()
    if (!last || last === entry) return
    this.#put(last, entry.place)
    this.#settle(last)
  }

  #settle(entry: Entry<Item>): void {
    this.#rise(entry)
    this.#sink(entry)
  }

  #rise(entry: Entry<Item>): void {
    let { place } = entry
    while (place > 0) {
      const parent = this.#heap[(place - 1) >> 1]
      if (!parent || !isBefore(entry, parent)) break
      const { place: parentPlace } = parent
      this.#put(parent, place)
      place = parentPlace
    }
    this.#put(entry, place)
  }

  #sink(entry: Entry<Item>): void {
    let { place } = entry
    for (;;) {
      const left = this.#heap[2 * place + 1]
      const right = this.#heap[2 * place + 2]
      const child = left && right && isBefore(right, left) ? right : left
      if (!child || !isBefore(child, entry)) break
      const { place: childPlace } = child
      this.#put(child, place)
      place = childPlace
    }
    this.#put(entry, place)
  }

  #put(entry: Entry<Item>, place: number): void {
    this.#heap[place] = entry
    entry.place = place
  }
}

interface Entry<Item> {
  readonly item: Item
  at: number
  order: number
  /** Where it is in the heap. */
  place: number
}

function isBefore<Item>(a: Entry<Item>, b: Entry<Item>): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at
}
