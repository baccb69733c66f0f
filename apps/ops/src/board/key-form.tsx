import { useId, useState, type SubmitEvent } from 'react'
import { useLanguage } from '../texts/use-language.js'

interface KeyFormProps {
  /** Why the last key did not do; empty where there was none. */
  readonly problem: string
  readonly useKey: (key: string) => void
  readonly hasFocus: boolean
}

/** Asks for a key, and hands it on: it is in no storage, in no address, and no password manager is asked to keep it. */
export function KeyForm({ problem, useKey, hasFocus }: KeyFormProps) {
  const { texts } = useLanguage()
  const id = useId()
  const [key, setKey] = useState('')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (key.trim() === '') return
    useKey(key.trim())
    setKey('')
  }
  return (
    <form className="key-form" onSubmit={submit} data-testid="key-form">
      <label htmlFor={id}>{texts.keyLabel}</label>
      <div className="field-row">
        <input
          id={id}
          type="password"
          autoComplete="off"
          spellCheck={false}
          value={key}
          aria-describedby={`${id}-problem`}
          data-testid="key"
          // It is what the page waits for; a dialog moves the focus itself.
          autoFocus={hasFocus}
          onChange={({ target }) => setKey(target.value)}
        />
        <button type="submit" className="button primary">
          {texts.keyUse}
        </button>
      </div>
      <p id={`${id}-problem`} className="problem" role="alert">
        {problem}
      </p>
    </form>
  )
}
