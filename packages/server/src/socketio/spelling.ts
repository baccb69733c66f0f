/**
 * Ids come in as clients and hosts write them; the store may know one spelling only (UUIDs in small letters). It is
 * decided here, where ids come in, so that behind this everything compares letter by letter.
 */
import { PresenceError, type UserId } from '@vigie/protocol'
import type { Engine, Memberships, Place, Spell } from '../core/index.js'
import type { Authenticate } from './authenticate.js'

export function spellingOf(memberships: Memberships): Spell {
  return (kind, id) => (memberships.spelling?.(kind, id) ?? id) as typeof id
}

interface SpelledUsersOptions {
  readonly spell: Spell
  /** How ids are spelled is known from then on. */
  readonly ready: Promise<void>
}

/** The same check, and the user's id as the store spells it. */
export function spelledUsers(
  authenticate: Authenticate,
  { spell, ready }: SpelledUsersOptions,
): Authenticate {
  return async (socket) => {
    const verified = await authenticate(socket)
    await ready.catch((error: unknown) => {
      throw new PresenceError('unavailable', undefined, { cause: error })
    })
    const userId: UserId = spell('user', verified.userId)
    return userId === verified.userId ? verified : { ...verified, userId }
  }
}

/** Rooms are found by either spelling. */
export function spelledRooms(
  engine: Pick<Engine, 'sessionsIn' | 'placesOf' | 'places'>,
  spell: Spell,
): Pick<Engine, 'sessionsIn' | 'placesOf' | 'places'> {
  return {
    sessionsIn: (place) => engine.sessionsIn({ ...place, id: spell(place.kind, place.id) } as Place),
    placesOf: (sessionId) => engine.placesOf(sessionId),
    places: () => engine.places(),
  }
}
