import { PresenceProvider } from '@vigie/client/react'
import { useSyncExternalStore } from 'react'
import { SignIn } from './account/sign-in.js'
import { OfficeSkeleton } from './office-skeleton.js'
import { Office } from './office.js'
import type { Account } from './session/account.js'
import { SessionContext } from './session/use-session.js'

/** Who one can be, or what somebody signed in sees, or until it is known, its outline. */
export function App({ account }: { readonly account: Account }) {
  const state = useSyncExternalStore(account.subscribe, account.state)
  if (state.name === 'opening') {
    return <OfficeSkeleton hasFailed={state.hasFailed} tryNow={account.tryNow} leave={account.signOut} />
  }
  if (state.name !== 'in') return <SignIn account={account} state={state} />
  const { session } = state
  return (
    <PresenceProvider client={session.presence}>
      <SessionContext value={session}>
        <Office signOut={account.signOut} />
      </SessionContext>
    </PresenceProvider>
  )
}
