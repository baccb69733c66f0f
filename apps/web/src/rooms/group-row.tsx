import { useGroupPresence } from '@vigie/client/react'
import { Avatar } from '../look/avatar.js'
import type { Room } from '../session/api.js'
import { RoomLink } from './room-link.js'
import { Summary } from './summary.js'

interface GroupRowProps {
  readonly room: Room
  readonly isShown: boolean
}

/** One group of the list, with how many of it are online. */
export function GroupRow({ room, isShown }: GroupRowProps) {
  const presence = useGroupPresence(room.id)
  return (
    <li>
      <RoomLink place={{ screen: 'group', id: room.id }} isShown={isShown} testId="group">
        <Avatar id={room.id} name={room.title} shape="square" />
        <span className="row-text">
          <span className="row-title">
            <bdi>{room.title}</bdi>
            <span className="sr-only">, </span>
          </span>
          <span className="row-preview">
            <Summary presence={presence} isShort />
          </span>
        </span>
      </RoomLink>
    </li>
  )
}
