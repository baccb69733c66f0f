import { usePresenceClient, useTypingInput } from '@vigie/client/react'
import { useState, type KeyboardEvent, type SyntheticEvent } from 'react'
import { useClosedText } from '../account/use-line.js'
import { SendIcon } from '../look/icons.js'
import type { Room } from '../session/api.js'
import { useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'

/** The server's number. */
const TEXT_MAX = 1_000

/** The line to write in. Others see that one types; Enter sends, Shift and Enter begin a new line. */
export function Composer({ room }: { readonly room: Room }) {
  const { texts } = useLanguage()
  const { chat, unsent } = useSession()
  const client = usePresenceClient()
  const typing = useTypingInput(room.id)
  const [text, setText] = useState(unsent.get(room.id) ?? '')
  // What nobody would send must not be typed: the field says why instead.
  const closed = useClosedText()
  const isClosed = closed !== undefined

  function write(next: string): void {
    // What is begun here is still here when one comes back.
    unsent.set(room.id, next)
    setText(next)
  }

  function send(event?: SyntheticEvent): void {
    event?.preventDefault()
    const said = text.trim()
    if (said === '' || isClosed) return
    chat.send(room.id, said)
    client.stopTyping(room.id)
    write('')
  }

  function onKeyDown(event: KeyboardEvent): void {
    // While a word is being composed, Enter chooses the word.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }

  return (
    <form className="composer" onSubmit={send}>
      <textarea
        ref={typing}
        rows={1}
        maxLength={TEXT_MAX}
        value={isClosed ? '' : text}
        dir="auto"
        disabled={isClosed}
        placeholder={closed ?? texts.message}
        aria-label={closed ?? texts.messageTo(room.title)}
        data-testid="composer"
        onChange={(event) => write(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <button
        type="submit"
        className="icon-button send"
        aria-label={texts.send}
        disabled={isClosed || text.trim() === ''}
      >
        <SendIcon />
      </button>
    </form>
  )
}
