/** What must not compile does not: `tsc` fails here where one of these lines is no error any more. */
import { expect, expectTypeOf, test } from 'vitest'
import type { Mode, PresenceError, UserPresence } from '../../src/index.js'
import {
  AvatarStack,
  PresenceDot,
  PresenceProvider,
  TypingIndicator,
  useOnlineMembers,
  usePresence,
  usePresenceConnection,
  useTyping,
  useTypingInput,
  type PresenceConnection,
  type RoomPresence,
} from '../../src/react/index.js'
import { createFakePresence } from '../../src/testing/index.js'

/** Compiled, never rendered. */
export function Page(): unknown {
  const ben = usePresence('ben')
  // @ts-expect-error somebody who is unknown is neither online nor offline
  ben.online satisfies boolean
  // @ts-expect-error an answer is not the caller's to change
  ben.status = 'known'

  const plan = useOnlineMembers('plan')
  // @ts-expect-error there may be no numbers yet
  plan.members satisfies number
  // @ts-expect-error the list is shared
  plan.userIds.push('ben')
  // @ts-expect-error a room has an id
  useOnlineMembers()

  // @ts-expect-error the list is shared
  useTyping('plan').push('ben')

  const connection = usePresenceConnection()
  // @ts-expect-error no such state
  const isAway = connection.name === 'away'
  // @ts-expect-error only while it waits
  connection.untilMs satisfies number

  const field = useTypingInput('plan')
  return (
    <>
      <input ref={field} />
      <textarea ref={field} />
      <div contentEditable ref={field} />
      {/* @ts-expect-error a provider needs a client */}
      <PresenceProvider>{String(isAway)}</PresenceProvider>
      {/* @ts-expect-error a user has an id */}
      <PresenceDot />
      {/* @ts-expect-error a label is made from a presence */}
      <PresenceDot userId="ben" label="Ben" />
      {/* @ts-expect-error ids are no names */}
      <TypingIndicator conversationId="plan" />
      {/* @ts-expect-error a list of ids */}
      <AvatarStack userIds="ben" nameOf={(userId) => userId} />
    </>
  )
}

/** Compiled, never run. */
export function wrongTruths(): void {
  // @ts-expect-error a room is a list of members, or two numbers
  createFakePresence({ conversations: { plan: 12 } })
  // @ts-expect-error a state that waits says until when
  createFakePresence().setState({ name: 'backingOff' })
}

test('what the hooks say narrows by its status', () => {
  expectTypeOf<Extract<UserPresence, { status: 'known' }>['online']>().toEqualTypeOf<boolean>()
  const membersOf = (room: RoomPresence) => {
    if (room.status !== 'known') return undefined
    expectTypeOf(room.mode).toEqualTypeOf<Mode>()
    return room.members
  }
  const onlineOf = (room: RoomPresence) => (room.mode === undefined ? undefined : room.online)
  expectTypeOf(membersOf).returns.toEqualTypeOf<number | undefined>()
  expectTypeOf(onlineOf).returns.toEqualTypeOf<number | undefined>()
  expectTypeOf<PresenceConnection['error']>().toEqualTypeOf<PresenceError | undefined>()
  const away: RoomPresence = { status: 'unknown', mode: 'count', members: 900, online: 77, userIds: [] }
  expect([membersOf(away), onlineOf(away)]).toEqual([undefined, 77])
})
