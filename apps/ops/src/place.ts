/** Where in the page one is, as the address says it: who is explained, and to whom. Never a key. */

export interface Place {
  readonly userId?: string
  readonly viewerId?: string
}

/** `#/user/ann` or `#/user/ann/seen-by/bob`. */
export function hashOf({ userId, viewerId }: Place): string {
  if (userId === undefined) return '#/'
  const user = `#/user/${encodeURIComponent(userId)}`
  return viewerId === undefined ? user : `${user}/seen-by/${encodeURIComponent(viewerId)}`
}

/** Nobody, where it names nothing. */
export function placeOf(hash: string): Place {
  const [, user, viewer] = /^#\/user\/([^/]+)(?:\/seen-by\/([^/]+))?$/u.exec(hash) ?? []
  const userId = decoded(user)
  const viewerId = decoded(viewer)
  if (userId === undefined) return {}
  return viewerId === undefined ? { userId } : { userId, viewerId }
}

function decoded(part: string | undefined): string | undefined {
  if (part === undefined) return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    // A broken escape, as of an address that was cut: it names nobody.
    return undefined
  }
}
