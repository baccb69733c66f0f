// @vitest-environment happy-dom
import { act, render, screen } from '@testing-library/react'
import { PresenceProvider, usePresence } from '@vigie/client/react'
import { createFakePresence } from '@vigie/client/testing'
import { attachPresence } from '@vigie/server'
import { createElement } from 'react'
import { expect, test } from 'vitest'

function Ben() {
  const ben = usePresence('ben')
  return createElement('p', null, ben.status === 'known' && ben.online ? 'Ben is online' : 'Ben is away')
}

test('a component shows what the fake says', () => {
  const client = createFakePresence({ conversations: { plan: ['ana', 'ben'] } })
  render(createElement(PresenceProvider, { client }, createElement(Ben)))
  screen.getByText('Ben is away')
  act(() => client.setOnline('ben', true))
  screen.getByText('Ben is online')
  expect(attachPresence).toBeInstanceOf(Function)
})
