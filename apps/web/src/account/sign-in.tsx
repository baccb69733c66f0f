import { useEffect, useState } from 'react'
import { Avatar } from '../look/avatar.js'
import { Bone } from '../look/bone.js'
import type { Account, AccountState } from '../session/account.js'
import { fetchPeople, type Person } from '../session/api.js'
import { useLanguage } from '../texts/use-language.js'

interface SignInProps {
  readonly account: Account
  readonly state: Exclude<AccountState, { name: 'in' | 'opening' }>
}

/** Whom one can be. In an app of its own, a sign-in of its own stands here. */
export function SignIn({ account, state }: SignInProps) {
  const { texts } = useLanguage()
  const [people, setPeople] = useState<readonly Person[]>()
  const [hasFailed, setHasFailed] = useState(false)
  const [attempt, setAttempt] = useState(0)

  useEffect(() => {
    let isGone = false
    fetchPeople(texts.lang).then(
      (found) => {
        if (!isGone) setPeople(found)
      },
      () => {
        if (!isGone) setHasFailed(true)
      },
    )
    return () => {
      isGone = true
    }
  }, [attempt, texts.lang])

  function tryAgain(): void {
    setHasFailed(false)
    if (people === undefined) setAttempt(attempt + 1)
    if (state.name === 'failed') account.signIn(state.userId)
  }

  return (
    <main className="sign-in">
      <p className="brand">
        <span className="brand-mark" aria-hidden="true" />
        {texts.appName}
      </p>
      <h1>{texts.whoAreYou}</h1>
      <p className="lead">{texts.chooseLead}</p>
      <p>
        <a className="link sheet-link" href="docs/client.md" target="_blank" rel="noreferrer">
          {texts.guide}
        </a>
      </p>
      {(hasFailed || state.name === 'failed') && (
        <p className="problem" role="alert">
          {texts.noAnswer}{' '}
          <button type="button" className="link" onClick={tryAgain}>
            {texts.tryAgain}
          </button>
        </p>
      )}
      <ul className="people" aria-busy={people === undefined}>
        {people === undefined && !hasFailed && <BonePeople />}
        {people?.map(({ userId, name }) => (
          <li key={userId}>
            <button
              type="button"
              data-testid="person"
              data-user={userId}
              onClick={() => account.signIn(userId)}
            >
              <Avatar id={userId} name={name} />
              <span dir="auto">{name}</span>
            </button>
          </li>
        ))}
      </ul>
    </main>
  )
}

/** As many as can be chosen from. */
const PEOPLE = 24

function BonePeople() {
  return Array.from({ length: PEOPLE }, (_, place) => (
    <li key={place} className="bone-person" aria-hidden="true">
      <span className="avatar">
        <span className="avatar-face bone-face" />
      </span>
      <Bone width={12} />
    </li>
  ))
}
