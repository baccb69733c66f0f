/**
 * Some items, each once, in order of coming. There is one such set for each room, and most rooms are two people: a list
 * takes a third of the memory of a `Set`, and to look through one is quicker than to find three places in memory.
 *
 * What is added while they are visited is visited, too, as with `Set`, or not; what goes disturbs nobody: a list without
 * it is another list.
 */
export type Few<Item> = readonly Item[] | Set<Item>

/** Up to so many are a list. */
export const LIST_MAX = 128
/** Up to so many are copied to add one, to a list of just the right length; one that grows has room for a dozen more. */
const EXACT_MAX = 16

export function sizeOf<Item>(few: Few<Item>): number {
  return few instanceof Set ? few.size : few.length
}

export function holds<Item>(few: Few<Item>, item: Item): boolean {
  return few instanceof Set ? few.has(item) : few.includes(item)
}

/** With `item` in it: put the result where `few` was. */
export function withItem<Item>(few: Few<Item>, item: Item): Few<Item> {
  if (few instanceof Set) return few.add(item)
  if (few.length === 0) return [item]
  if (few.includes(item)) return few
  // `concat` makes a list of just the right length, which a spread does not.
  if (few.length < EXACT_MAX) return few.concat(item)
  if (few.length >= LIST_MAX) return new Set(few).add(item)
  ;(few as Item[]).push(item)
  return few
}

/** Without `item`: put the result where `few` was. One that was large stays a `Set`: it may grow again. */
export function withoutItem<Item>(few: Few<Item>, item: Item): Few<Item> {
  if (few instanceof Set) {
    few.delete(item)
    return few
  }
  return few.includes(item) ? few.filter((other) => other !== item) : few
}

/** What `for … of` does; but an iterator that is sometimes of a list and sometimes of a set makes an object for each item. */
export function visitAll<Item>(few: Few<Item>, visit: (item: Item) => void): void {
  if (few instanceof Set) few.forEach(visit)
  else for (const item of few) visit(item)
}
