import type { ReactElement, ReactNode } from 'react'
import { listNames } from './list-names.js'

export interface AvatarStackProps {
  /** In the order in which they are drawn. */
  readonly userIds: readonly string[]
  /** What a user is called. */
  readonly nameOf: (userId: string) => string
  /** How many are drawn; the others are a number. @default 3 */
  readonly max?: number | undefined
  /** How many there are in all, where not all are named: in a room that only counts. @default userIds.length */
  readonly total?: number | undefined
  /** Draws one. @default the first letter of the name */
  readonly renderAvatar?: ((userId: string) => ReactNode) | undefined
  /** What is read out: the names of those who are drawn, and how many more there are. @default English: "Ann, Ben and 3 others" */
  readonly label?: ((names: readonly string[], others: number) => string) | undefined
  readonly className?: string | undefined
}

/**
 * The first few of many, as one picture with a name: what is inside is not read out, nor reached by keyboard. Unstyled:
 * each avatar has `[data-user]`, the number of the others `[data-others]`.
 *
 * @example
 * const { userIds } = useOnlineMembers('plan')
 * return <AvatarStack userIds={userIds} nameOf={(userId) => names.get(userId) ?? userId} />
 */
export function AvatarStack({
  userIds,
  nameOf,
  max = 3,
  total = userIds.length,
  renderAvatar = (userId) => Array.from(nameOf(userId))[0],
  label = listNames,
  className,
}: AvatarStackProps): ReactElement {
  const shown = userIds.slice(0, Math.max(0, max))
  const others = Math.max(0, total - shown.length)
  return (
    <span role="img" aria-label={label(shown.map(nameOf), others)} className={className}>
      {shown.map((userId) => (
        <span key={userId} data-user={userId}>
          {renderAvatar(userId)}
        </span>
      ))}
      {others > 0 && <span data-others={others}>{`+${others}`}</span>}
    </span>
  )
}
