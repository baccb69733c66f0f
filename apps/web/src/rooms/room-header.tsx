import type { ReactNode } from 'react'
import { Avatar } from '../look/avatar.js'
import { Dot } from '../look/dot.js'
import { IconButton } from '../look/icon-button.js'
import { BackIcon, PeopleIcon } from '../look/icons.js'
import { goOut, goTo } from '../place.js'
import type { Room } from '../session/api.js'
import { useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'

interface RoomHeaderProps {
  readonly room: Room
  /** Whether there is a panel of members to go to, where it is not shown anyway. */
  readonly hasMembers?: boolean
  /** Who is there, in a few words. */
  readonly children: ReactNode
}

/** What is open, and who is there. */
export function RoomHeader({ room, hasMembers = false, children }: RoomHeaderProps) {
  const { texts } = useLanguage()
  const { me } = useSession().world
  const isDirect = room.kind === 'direct'
  const other = isDirect ? room.members.find(({ userId }) => userId !== me.userId) : undefined
  return (
    <header className="head">
      <IconButton
        label={texts.back}
        shown="only-narrow"
        testId="back"
        onClick={() => goOut({ screen: 'conversation', id: room.id })}
      >
        <BackIcon />
      </IconButton>
      <Avatar id={other?.userId ?? room.id} name={room.title} shape={isDirect ? 'round' : 'square'}>
        {other && <Dot userId={other.userId} />}
      </Avatar>
      <div className="head-text">
        <h1 id="room-title" tabIndex={-1}>
          <bdi>{room.title}</bdi>
        </h1>
        <p className="soft head-summary" data-testid="summary">
          {children}
        </p>
      </div>
      {hasMembers && (
        <IconButton
          label={texts.showMembers}
          shown="not-three"
          testId="show-members"
          onClick={() => goTo({ screen: 'members', id: room.id })}
        >
          <PeopleIcon />
        </IconButton>
      )}
    </header>
  )
}
