import { useEffect, useRef } from 'react'
import { HAS_MOUSE } from './look/use-media.js'
import type { Place } from './place.js'

/** Moves the focus with the screen, so that whoever uses keys or listens is where they see themselves. */
export function useFocusOnPlace(place: Place): void {
  const { screen } = place
  const id = place.screen === 'list' ? undefined : place.id
  const before = useRef({ screen, id })
  useEffect(() => {
    const from = before.current
    before.current = { screen, id }
    if (from.screen !== screen || from.id !== id) targetOf(screen, from.id)?.focus()
  }, [screen, id])
}

function targetOf(screen: Place['screen'], fromId: string | undefined): HTMLElement | undefined {
  switch (screen) {
    case 'list':
      return find(`.rooms [data-id="${CSS.escape(fromId ?? '')}"]`)
    case 'members':
      return find('#members-title')
    case 'conversation':
      return matchMedia(HAS_MOUSE).matches ? find('.composer textarea') : find('#room-title')
    case 'group':
      return find('#room-title')
  }
}

function find(selector: string): HTMLElement | undefined {
  return document.querySelector<HTMLElement>(selector) ?? undefined
}
