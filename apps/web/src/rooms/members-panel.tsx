import type { RoomPresence } from '@vigie/client/react'
import { BackIcon } from '../look/icons.js'
import { goOut } from '../place.js'
import type { Room } from '../session/api.js'
import { useLanguage } from '../texts/use-language.js'
import { MemberList } from './member-list.js'

interface MembersPanelProps {
  readonly room: Room
  readonly presence: RoomPresence
}

/** Who is in a conversation: a column of its own where there is room, else a screen. */
export function MembersPanel({ room, presence }: MembersPanelProps) {
  const { texts } = useLanguage()
  return (
    <aside className="members" aria-labelledby="members-title">
      <header className="head">
        <button
          type="button"
          className="icon-button not-three"
          aria-label={texts.back}
          data-testid="members-back"
          onClick={() => goOut({ screen: 'members', id: room.id })}
        >
          <BackIcon />
        </button>
        <h2 id="members-title" tabIndex={-1}>
          {texts.members}
        </h2>
      </header>
      <MemberList room={room} presence={presence} />
    </aside>
  )
}
