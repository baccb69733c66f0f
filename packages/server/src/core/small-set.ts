/**
 * A set that is a list while it is small. There is one for each room, and most rooms are two people: a list takes a third
 * of the memory of a `Set`, and reading one through touches one place in memory instead of three.
 *
 * Order is the order of coming. An item that is added while the set is visited may or may not be visited. Removing an
 * item never disturbs a visit: the list without it is another list.
 */
export type SmallSet<Item> = readonly Item[] | Set<Item>

/** A longer list becomes a `Set`. */
export const LIST_MAX = 128
/** A shorter list is copied to add an item: the copy has just the right length, where `push` reserves room for more. */
const EXACT_MAX = 16

export function sizeOf<Item>(set: SmallSet<Item>): number {
  return set instanceof Set ? set.size : set.length
}

export function contains<Item>(set: SmallSet<Item>, item: Item): boolean {
  return set instanceof Set ? set.has(item) : set.includes(item)
}

/** With `item` in it: put the result where `set` was. */
export function withItem<Item>(set: SmallSet<Item>, item: Item): SmallSet<Item> {
  return contains(set, item) ? set : withNewItem(set, item)
}

/** As `withItem`, of an item that is certainly not in it: the list is not looked through. */
export function withNewItem<Item>(set: SmallSet<Item>, item: Item): SmallSet<Item> {
  if (set instanceof Set) return set.add(item)
  if (set.length === 0) return [item]
  // `concat` makes a list of just the right length, which a spread does not.
  if (set.length < EXACT_MAX) return set.concat(item)
  if (set.length >= LIST_MAX) return new Set(set).add(item)
  ;(set as Item[]).push(item)
  return set
}

/** Without `item`: put the result where `set` was. One that was large stays a `Set`: it may grow again. */
export function withoutItem<Item>(set: SmallSet<Item>, item: Item): SmallSet<Item> {
  if (set instanceof Set) {
    set.delete(item)
    return set
  }
  const place = set.indexOf(item)
  return place < 0 ? set : set.toSpliced(place, 1)
}

/** `for … of` over a list or a `Set` in turn would make V8 allocate an iterator result for each item. */
export function visitAll<Item>(set: SmallSet<Item>, visit: (item: Item) => void): void {
  if (set instanceof Set) set.forEach(visit)
  else for (const item of set) visit(item)
}
