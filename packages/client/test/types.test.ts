/** Whoever compiles with `exactOptionalPropertyTypes`, and whoever does not, may hand in what may be undefined. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { problemsOf, ROOT } from './support/compile.js'

const ENTRIES = { '@vigie/client': '', '@vigie/client/react': 'react/', '@vigie/client/testing': 'testing/' }
/** Types that need an argument. */
const GENERIC: Readonly<Record<string, string>> = {
  SubscribeOptions: '<string>',
  UsePresenceSelectorOptions: '<string>',
}
/** Those of socket.io-client are its own. */
const NOT_OURS = ['SocketIoOptions']

const USE = `
import { createPresenceClient, type Occupancy, type PresenceClientOptions, type UserPresence } from '@vigie/client'
import { PresenceDot, PresenceProvider, useConversationPresence, usePresence, usePresenceSelector } from '@vigie/client/react'
import { createFakePresence } from '@vigie/client/testing'

declare function maybe<Value>(): Value | undefined

const options: PresenceClientOptions = {
  url: 'https://chat.example.com',
  token: maybe<string>(),
  deviceId: maybe<string>(),
  label: maybe<string>(),
  reconnectBaseMs: maybe<number>(),
  onError: maybe<(error: unknown) => void>(),
  onPresenceUpdate: maybe<(userId: string, online: boolean, count: number) => void>(),
}
const presence = createPresenceClient({ ...options, storage: undefined, socketOptions: { path: '/presence' } })
const online = (view: { getOnlineUsersInGroup(id: string): readonly string[] }) => view.getOnlineUsersInGroup('crew')
const selection = presence.select(online, maybe<(a: readonly string[], b: readonly string[]) => boolean>())
const stop: () => void = selection.subscribe((userIds) => userIds.length, { immediate: maybe<boolean>() })
presence.subscribe(online, (userIds: readonly string[]) => userIds.length, {
  immediate: true,
  isEqual: (earlier, later) => earlier.length === later.length,
})
export const room: Occupancy | undefined = presence.groupOccupancy('crew')
export const ann: UserPresence = createFakePresence({ online: ['ann'], now: maybe<() => number>() }).presence('ann')
export const end = () => (stop(), presence.leave({ scope: maybe<'device'>() }))

export function Page({ user }: { user?: { id: string } }) {
  const known = usePresence(user?.id, { watch: maybe<boolean>() })
  const { userIds } = useConversationPresence(user?.id)
  const isBusy: boolean = usePresenceSelector((view) => view.typing('plan').length > 0, { isEqual: undefined })
  return (
    <PresenceProvider client={presence} onError={maybe<(error: unknown) => void>()}>
      <PresenceDot userId={user?.id} className={maybe<string>()} />
      {known.status === 'known' && known.count}
      {isBusy && userIds.join()}
    </PresenceProvider>
  )
}
`

test.for([true, false])(
  'code that hands in what may be undefined compiles (exactOptionalPropertyTypes: %s)',
  (exact) => {
    const files = { 'exact-use.tsx': USE }
    expect(problemsOf(import.meta.dirname, files, { exactOptionalPropertyTypes: exact })).toEqual([])
  },
)

test('every optional property of every exported type of options, callbacks and props takes undefined', async () => {
  const lines = [
    'type Optional<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? K : never }[keyof T]',
    'type Exact<T> = { [K in Optional<T>]: { [P in K]: undefined } extends Pick<T, K> ? never : K }[Optional<T>]',
  ]
  const names: string[] = []
  for (const [place, [entry, folder]] of Object.entries(ENTRIES).entries()) {
    const index = await readFile(join(ROOT, 'packages/client/src', folder, 'index.ts'), 'utf8')
    lines.push(`import type * as m${place} from '${entry}'`)
    for (const name of new Set(index.match(/\b\w+(?:Options|Props|Callbacks)\b/gu))) {
      if (NOT_OURS.includes(name)) continue
      names.push(name)
      const type = `m${place}.${name}${GENERIC[name] ?? ''}`
      lines.push(`export const only_${name}: [Exact<${type}>] extends [never] ? true : Exact<${type}> = true`)
    }
  }
  expect(names).toEqual(
    expect.arrayContaining(['PresenceClientOptions', 'PresenceCallbacks', 'PresenceDotProps']),
  )
  expect(problemsOf(import.meta.dirname, { 'exact-all.ts': lines.join('\n') })).toEqual([])
})
