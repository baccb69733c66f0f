import type { MouseEvent, ReactNode } from 'react'
import { goTo, hashOf, type Place } from '../place.js'

interface RoomLinkProps {
  readonly place: Exclude<Place, { screen: 'list' }>
  readonly isShown: boolean
  readonly testId: string
  readonly data?: Readonly<Record<`data-${string}`, string | number>>
  /** @default row */
  readonly className?: string
  /** Shown when it is pointed at. */
  readonly title?: string
  readonly children: ReactNode
}

/** A row of a list. A link, so that it can be opened in a tab of its own, and copied. */
export function RoomLink({
  place,
  isShown,
  testId,
  data,
  className = 'row',
  title,
  children,
}: RoomLinkProps) {
  function onClick(event: MouseEvent): void {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    goTo(place)
  }
  return (
    <a
      className={className}
      href={hashOf(place)}
      onClick={onClick}
      aria-current={isShown ? 'page' : undefined}
      data-testid={testId}
      data-id={place.id}
      title={title}
      {...data}
    >
      {children}
    </a>
  )
}
