import { useEffect, useRef } from 'react'
import { HAS_MOUSE } from './look/use-media.js'
import type { Place } from './place.js'

/**
 * Moves the focus with the screen, so that people who use keys or a screen reader are where they look; also to where one
 * is first, after signing in and after a reload.
 */
export function useFocusOnPlace(screen: Place['screen'], id: string | undefined): void {
  const before = useRef<{ screen: Place['screen']; id: string | undefined }>(undefined)
  useEffect(() => {
    const from = before.current
    before.current = { screen, id }
    if (from?.screen !== screen || from.id !== id) targetOf(screen, from?.id)?.focus({ preventScroll: true })
  }, [screen, id])
}

function targetOf(screen: Place['screen'], fromId: string | undefined): HTMLElement | undefined {
  switch (screen) {
    case 'list':
      return field() ?? find(`.rooms [data-id="${CSS.escape(fromId ?? '')}"]`) ?? find('#conversations-title')
    case 'members':
      return find('#members-title')
    case 'conversation':
      return field() ?? find('#room-title')
    case 'group':
      return find('#room-title')
  }
}

/** The line to write in, where it is in sight and brings up no keyboard. */
function field(): HTMLElement | undefined {
  return matchMedia(HAS_MOUSE).matches ? find('.composer textarea') : undefined
}

/** The element, unless this screen hides it. */
function find(selector: string): HTMLElement | undefined {
  const found = document.querySelector<HTMLElement>(selector) ?? undefined
  return found?.checkVisibility() === true ? found : undefined
}
