import { useOnlineMembers } from '@vigie/client/react'
import { useUnknownSince } from '../account/use-line.js'
import { IconButton } from '../look/icon-button.js'
import { BackIcon } from '../look/icons.js'
import { goOut } from '../place.js'
import type { Room } from '../session/api.js'
import { useLanguage } from '../texts/use-language.js'
import { MemberList } from './member-list.js'

interface MembersPanelProps {
  readonly room: Room
  /** Whether nothing else is shown: its title is the page's. */
  readonly isAlone: boolean
}

/** Who is in a conversation: a column of its own where there is room, else a screen. */
export function MembersPanel({ room, isAlone }: MembersPanelProps) {
  const { texts, time } = useLanguage()
  const since = useUnknownSince()
  const presence = useOnlineMembers(room.id)
  return (
    <div className="members" role={isAlone ? 'main' : 'complementary'} aria-labelledby="members-title">
      <div className="head">
        <IconButton
          label={texts.back}
          shown="not-three"
          testId="members-back"
          onClick={() => goOut({ screen: 'members', id: room.id })}
        >
          <BackIcon />
        </IconButton>
        <h2 id="members-title" aria-level={isAlone ? 1 : 2} tabIndex={-1}>
          {texts.members}
        </h2>
        {since !== undefined && <span className="soft was">{texts.lastKnownAt(time(since))}</span>}
      </div>
      <MemberList room={room} presence={presence} />
    </div>
  )
}
