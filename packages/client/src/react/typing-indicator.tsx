import type { ReactElement, ReactNode } from 'react'
import { useTyping } from './hooks.js'
import { listNames } from './list-names.js'

export interface TypingIndicatorProps {
  /** Without an id nobody types. */
  readonly conversationId: string | null | undefined
  /** What a user is called. */
  readonly nameOf: (userId: string) => string
  /** Makes the sentence; called with one name or more. @default English: "Ann and Ben are typing…" */
  readonly format?: ((names: readonly string[]) => ReactNode) | undefined
  readonly className?: string | undefined
}

/** From here on, only two are named. */
const NAMED_MAX = 3

/**
 * Who types in a conversation, read out politely. The element is always there, and empty while nobody types: a screen reader
 * hears only changes of an element that it has met. `[data-typing]` is how many type; give it a height of its own, so that
 * nothing moves.
 *
 * @example
 * <TypingIndicator conversationId="plan" nameOf={(userId) => names.get(userId) ?? userId} />
 */
export function TypingIndicator({
  conversationId,
  nameOf,
  format = formatInEnglish,
  className,
}: TypingIndicatorProps): ReactElement {
  const userIds = useTyping(conversationId)
  return (
    <span aria-live="polite" aria-atomic="true" className={className} data-typing={userIds.length}>
      {userIds.length > 0 && format(userIds.map(nameOf))}
    </span>
  )
}

function formatInEnglish(names: readonly string[]): string {
  const named = names.length > NAMED_MAX ? names.slice(0, 2) : names
  const verb = new Intl.PluralRules('en').select(names.length) === 'one' ? 'is' : 'are'
  return `${listNames(named, names.length - named.length)} ${verb} typing…`
}
