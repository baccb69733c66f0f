import { usePresenceClient } from '@vigie/client/react'
import { useLanguage } from '../texts/use-language.js'
import { Notice } from './notice.js'
import { useLine, type LineState } from './use-line.js'

/** These come back by themselves, and sooner when they are told to. */
const MAY_HURRY: readonly LineState[] = ['slow', 'busy', 'offline', 'reconnecting']

/**
 * What is wrong with the connection, if anything, and what one can do. Over the page, so that nothing moves; the same from
 * one attempt to the next, so that nothing blinks. It is read out by `announcements.tsx`.
 */
export function ConnectionBanner({ signOut }: { readonly signOut: () => void }) {
  const client = usePresenceClient()
  const { state, text } = useLine()
  const { texts } = useLanguage()
  return (
    <Notice text={text} testId="banner" state={state}>
      {MAY_HURRY.includes(state) && (
        <button type="button" className="link" onClick={() => client.foreground()}>
          {texts.tryNow}
        </button>
      )}
      {state === 'closed' && (
        <button type="button" className="link" onClick={signOut}>
          {texts.signInAgain}
        </button>
      )}
    </Notice>
  )
}
