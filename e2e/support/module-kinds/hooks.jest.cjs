/** @jest-environment jsdom */
const { createElement } = require('react')
const { act, render, screen } = require('@testing-library/react')
const { PresenceProvider, usePresence } = require('@vigie/client/react')
const { createFakePresence } = require('@vigie/client/testing')

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
})
