/**
 * Which of many things is due next. A binary heap whose outdated entries are skipped when they surface and
 * swept when they outnumber the valid ones, so that moving a deadline is cheap and memory stays bounded.
 */
export class Deadlines<Item> {
  readonly #at = new Map<Item, number>()
  #heap: Entry<Item>[] = []
  #order = 0

  /** Sets or moves the deadline of `item`. */
  set(item: Item, at: number): void {
    if (this.#at.get(item) === at) return
    this.#at.set(item, at)
    this.#push({ item, at, order: this.#order++ })
    if (this.#heap.length > 2 * this.#at.size + 64) this.#sweep()
  }

  delete(item: Item): void {
    this.#at.delete(item)
  }

  /** The earliest deadline, or undefined when there is none. */
  next(): number | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      if (this.#isValid(top)) return top.at
      this.#pop()
    }
    return undefined
  }

  /** Takes one item whose deadline is not after `now`: the earliest, of equal ones the first set. */
  takeDue(now: number): Item | undefined {
    const at = this.next()
    const top = this.#heap[0]
    if (at === undefined || at > now || !top) return undefined
    this.#pop()
    this.#at.delete(top.item)
    return top.item
  }

  #isValid(entry: Entry<Item>): boolean {
    return this.#at.get(entry.item) === entry.at
  }

  #sweep(): void {
    const valid = this.#heap.filter((entry) => this.#isValid(entry))
    this.#heap = []
    for (const entry of valid) this.#push(entry)
  }

  #push(entry: Entry<Item>): void {
    const heap = this.#heap
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex]
      if (!parent || !isBefore(entry, parent)) break
      heap[index] = parent
      index = parentIndex
    }
    heap[index] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let index = 0
    for (;;) {
      let childIndex = 2 * index + 1
      let child = heap[childIndex]
      const right = heap[childIndex + 1]
      if (child && right && isBefore(right, child)) {
        child = right
        childIndex++
      }
      if (!child || !isBefore(child, last)) break
      heap[index] = child
      index = childIndex
    }
    heap[index] = last
  }
}

interface Entry<Item> {
  readonly item: Item
  readonly at: number
  readonly order: number
}

function isBefore<Item>(a: Entry<Item>, b: Entry<Item>): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at
}
