import type { ReactElement, ReactNode } from 'react'
import type { UserPresence } from '../index.js'
import { usePresence } from './hooks.js'

export interface PresenceDotProps {
  /** Without an id it is unknown. */
  readonly userId: string | null | undefined
  /** As in `usePresence`. @default true */
  readonly watch?: boolean | undefined
  /** What is read out, and shown when pointed at. @default "Online", "Offline", "Unknown" */
  readonly label?: ((presence: UserPresence) => string) | undefined
  /** What is drawn; it should differ in more than colour. @default a full, an empty and a dotted circle, as text */
  readonly shape?: ((presence: UserPresence) => ReactNode) | undefined
  readonly className?: string | undefined
}

const LABELS = { online: 'Online', offline: 'Offline', unknown: 'Unknown' } as const
const SHAPES = { online: '●', offline: '○', unknown: '◌' } as const

/**
 * Whether a user is online, as a shape with a name. Unstyled: `[data-presence]` is `online`, `offline` or `unknown`, and
 * while it is unknown, `[data-last]` is what was true last.
 *
 * @example
 * <PresenceDot userId="ben" label={(ben) => (isOnline(ben) ? 'Ben est en ligne' : 'Ben est absent')} />
 */
export function PresenceDot({
  userId,
  watch,
  label = (presence) => LABELS[nameOf(presence)],
  shape = (presence) => SHAPES[nameOf(presence)],
  className,
}: PresenceDotProps): ReactElement {
  const presence = usePresence(userId, { watch })
  const name = label(presence)
  const last = presence.status === 'unknown' ? presence.last : undefined
  return (
    <span
      role="img"
      aria-label={name}
      title={name}
      className={className}
      data-presence={nameOf(presence)}
      data-last={last && (last.online ? 'online' : 'offline')}
    >
      {shape(presence)}
    </span>
  )
}

function nameOf(presence: UserPresence): keyof typeof SHAPES {
  if (presence.status === 'unknown') return 'unknown'
  return presence.online ? 'online' : 'offline'
}
