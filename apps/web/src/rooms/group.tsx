import { useGroupPresence } from '@vigie/client/react'
import type { Room } from '../session/api.js'
import { MemberList } from './member-list.js'
import { RoomHeader } from './room-header.js'
import { Summary } from './summary.js'

/** A group: people who belong together, without a conversation of their own. */
export function Group({ room }: { readonly room: Room }) {
  const presence = useGroupPresence(room.id)
  return (
    <main className="main" data-testid="panel" data-id={room.id}>
      <RoomHeader room={room}>
        <Summary presence={presence} />
      </RoomHeader>
      <div className="group-members">
        <MemberList room={room} presence={presence} />
      </div>
    </main>
  )
}
