/**
 * Station 3 of 4 · who is told.
 * In:   a person whose presence is about to change (from presence.ts)
 * Out:  the sessions for which news of that person is pending
 * Next: pending.ts
 */
import type { Person, World } from './model.js'
import { newsOf, notePresence } from './pending.js'
import { visitAudience } from './visibility.js'

/** News is pending for all sessions that may be told, the person's own among them; for each once. */
export function announce(world: World, subject: Person): void {
  const unchecked = newsOf(world, subject)
  for (const session of subject.live) notePresence(world, session, unchecked)
  const news = newsOf(world, subject, true)
  visitAudience(world, subject, (session) => {
    notePresence(world, session, news)
  })
  const watchers = world.watchers.get(subject.id)
  // Somebody whose screen shows a person need not share a room with them: that is asked when it is written.
  if (watchers) for (const session of watchers) notePresence(world, session, unchecked)
}
