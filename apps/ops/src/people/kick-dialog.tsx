import { useLayoutEffect, useRef, useState } from 'react'
import { KeyForm } from '../board/key-form.js'
import { isOfKey, problemKindOf } from '../server/api.js'
import { problemText } from '../server/problem.js'
import { useApi } from '../server/use-api.js'
import { useLanguage } from '../texts/use-language.js'

/** Whose sessions are to end: those of one device, or all. */
export interface Kick {
  readonly userId: string
  readonly deviceId?: string
}

interface KickDialogProps {
  readonly kick: Kick
  /** `isDone`: the server has accepted it. */
  readonly close: (isDone: boolean) => void
}

/** Asks once more, because nothing takes it back; and for a key that may do it, where the server wants one. */
export function KickDialog({ kick, close }: KickDialogProps) {
  const { texts } = useLanguage()
  const api = useApi()
  const dialog = useRef<HTMLDialogElement>(null)
  const [problem, setProblem] = useState<unknown>()
  const [isSending, setIsSending] = useState(false)
  const { userId, deviceId } = kick
  useLayoutEffect(() => {
    const shown = dialog.current
    shown?.showModal()
    // Closed before it goes, the browser gives the focus back to the button that opened it.
    return () => shown?.close()
  }, [])
  const send = async (key?: string) => {
    setIsSending(true)
    setProblem(undefined)
    try {
      await api.kick(userId, {
        ...(deviceId !== undefined && { deviceId }),
        ...(key !== undefined && { key }),
      })
      close(true)
    } catch (error) {
      setProblem(error)
      setIsSending(false)
    }
  }
  const needsKey = problem !== undefined && isOfKey(problem)
  return (
    <dialog
      ref={dialog}
      aria-labelledby="kick-title"
      data-testid="kick-dialog"
      onCancel={(event) => {
        event.preventDefault()
        close(false)
      }}
    >
      <h2 id="kick-title">{texts.kickTitle(userId)}</h2>
      <p>
        {deviceId === undefined ? texts.kickAllSentence(userId) : texts.kickDeviceSentence(userId, deviceId)}
      </p>
      {problem !== undefined && !needsKey && (
        <p className="problem" role="alert">
          {problemText(problem, texts)}
        </p>
      )}
      {needsKey && (
        <KeyForm
          problem={problemKindOf(problem) === 'key_wrong' ? texts.problems.key_wrong : texts.keyMayNotAct}
          hasFocus
          useKey={(key) => void send(key)}
        />
      )}
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={() => close(false)}>
          {texts.cancel}
        </button>
        {!needsKey && (
          <button
            type="button"
            className="button danger"
            data-testid="kick-confirm"
            disabled={isSending}
            onClick={() => void send()}
          >
            {texts.kickConfirm}
          </button>
        )}
      </div>
    </dialog>
  )
}
