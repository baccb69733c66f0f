/** Events and room snapshots that many recipients share: made once, encoded once, dropped together soon after. */
import type { PresenceEvent } from './inputs.js'
import { emptyCache, isUnderPressure, type Room, type World } from './model.js'

/** How long an event is kept for further recipients: they hear of it within windows, not within minutes. */
const CACHE_MS = 1_000

/** Call it before something is put into the cache. */
export function scheduleCacheDrop({ cache, deadlines, now }: World): void {
  if (cache.isInUse) return
  cache.isInUse = true
  deadlines.set(cache, now + CACHE_MS)
}

/**
 * Under pressure snapshots of rooms stay: when everybody comes back, those who ask for that of a room come one after the
 * other, with seconds between them.
 */
export function dropCache(world: World): void {
  const { rooms } = world.cache
  world.cache = emptyCache()
  if (isUnderPressure(world)) {
    world.cache.rooms = rooms
    scheduleCacheDrop(world)
  } else for (const room of rooms) room.snapshot = undefined
}

/** An event with many recipients, by its content. Ids have no control characters: a line break keeps two apart in a key. */
export function cachedEvent({ cache }: World, key: string, make: () => PresenceEvent): PresenceEvent {
  let event = cache.others.get(key)
  if (!event) {
    event = make()
    cache.others.set(key, event)
  }
  return event
}

/** What protocol 2 says of the room is something else from now on. */
export function roomChanged(world: World, room: Room): void {
  room.changedAt = world.position
  room.snapshot = undefined
}
