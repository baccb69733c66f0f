import type { Person } from '../session/api.js'

/** Ids of members: who is online first, each part by name. */
export function membersInOrder(
  members: readonly Person[],
  online: readonly string[],
  compare: (one: string, other: string) => number,
): readonly string[] {
  const isOnline = new Set(online)
  return [...members]
    .sort(
      (a, b) =>
        Number(isOnline.has(b.userId)) - Number(isOnline.has(a.userId)) ||
        compare(a.name, b.name) ||
        compare(a.userId, b.userId),
    )
    .map(({ userId }) => userId)
}
