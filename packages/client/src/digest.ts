/**
 * Beside step 2 · what a picture says, as hashes. How they are made is described in docs/protocol.md; the server's side
 * stands in packages/server/src/core/digest.ts, and shares no code with this one.
 */
import type { DigestAnswer, UserId } from '@vigie/protocol'
import type { Picture, Room } from './sync.js'
import type { VersionedMap } from './versioned-map.js'

/** What the picture says, as hashes. */
export function digestOf(picture: Picture, nonce: string): DigestAnswer {
  const { at = null, users, unheard, groups, conversations, devices } = picture
  const people = (ids: Iterable<UserId>) => Array.from(ids, (id) => `person ${users.get(id) ?? 0} ${id}`)
  const hashesOf = (kind: 'group' | 'conversation', rooms: VersionedMap<string, Room>) =>
    Array.from(rooms, ([id, { mode, members, online, roster, typing }]) =>
      hashOf(nonce, [
        `${kind} ${id}`,
        mode === 'count' ? `count ${members} ${online}` : `names ${members}`,
        ...people(roster).sort(),
        ...Array.from(typing, (typist) => `types ${typist}`).sort(),
      ]),
    )
  // Those who were watched on an earlier connection, and of whom this one has not told, the server knows nothing of.
  const named = new Set<UserId>()
  for (const rooms of [groups, conversations])
    for (const { roster } of rooms.values()) for (const id of roster) named.add(id)
  const others = [...users.keys()].filter((id) => !unheard.has(id) && !named.has(id))
  return {
    at,
    rooms: [...hashesOf('group', groups), ...hashesOf('conversation', conversations)],
    others: hashOf(nonce, ['others', ...people(others).sort()]),
    devices: hashOf(nonce, [
      `devices ${devices.count}`,
      ...devices.devices
        .map(({ deviceId, since, label = '' }) => `device ${since} ${deviceId} ${label}`)
        .sort(),
    ]),
  }
}

/** FNV-1a, 32 bit, of the UTF-16 units of the lines, low byte first. */
function hashOf(nonce: string, lines: readonly string[]): number {
  let hash = 0x811c9dc5
  const text = [nonce, ...lines].join('\n')
  for (let place = 0; place < text.length; place++) {
    const unit = text.charCodeAt(place)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >> 8), 0x01000193)
  }
  return hash >>> 0
}
