// @vitest-environment happy-dom
/** A page that a server has rendered: it knows nothing yet, and the browser takes it over as it is. */
import { act, cleanup } from '@testing-library/react'
import { StrictMode, type ReactElement } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import {
  PresenceDot,
  PresenceProvider,
  TypingIndicator,
  useDevices,
  useOnlineMembers,
  usePresence,
  usePresenceConnection,
  useTypingInput,
} from '../../src/react/index.js'
import { createFakePresence, type FakePresence } from '../../src/testing/index.js'
import { countedClient } from '../support/counted.js'

afterEach(cleanup)

function Chat(): ReactElement {
  const { status, members, online } = useOnlineMembers('plan')
  return (
    <main>
      <h1>{`${status} ${String(online)}/${String(members)} ${useDevices().count} ${usePresenceConnection().name}`}</h1>
      <p>{usePresence('ben').status}</p>
      <PresenceDot userId="ann" />
      <TypingIndicator conversationId="plan" nameOf={(userId) => userId} />
      <input ref={useTypingInput('plan')} />
    </main>
  )
}

const KNOWN = {
  online: ['ann'],
  conversations: { plan: ['ann', 'ben'] },
  typing: { plan: ['ben'] },
  devices: [{ deviceId: 'phone', since: 1 }],
}

test('what a server renders knows nothing, whatever its client knows, and leaves nothing behind', () => {
  const counted = countedClient(createFakePresence(KNOWN))
  const html = renderToString(
    <PresenceProvider client={counted.client}>
      <Chat />
    </PresenceProvider>,
  )
  expect(html).toContain('unknown undefined/undefined 0 idle')
  expect(html).toContain('data-presence="unknown"')
  expect(html).toContain('data-typing="0"')
  expect([counted.listeners(), counted.watches()]).toEqual([0, 0])
})

test('a browser takes the page over without a warning, and then shows what is known', async () => {
  const onError = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  onTestFinished(() => onError.mockRestore())
  const recovered: unknown[] = []
  const page = (presence: FakePresence) => (
    <StrictMode>
      <PresenceProvider client={presence}>
        <Chat />
      </PresenceProvider>
    </StrictMode>
  )
  const container = document.createElement('div')
  document.body.append(container)
  container.innerHTML = renderToString(page(createFakePresence({ state: { name: 'idle' } })))
  const inBrowser = page(createFakePresence(KNOWN))
  const main = container.querySelector('main')
  const root = await act(() =>
    Promise.resolve(
      hydrateRoot(container, inBrowser, { onRecoverableError: (error) => recovered.push(error) }),
    ),
  )
  onTestFinished(() => act(() => root.unmount()))
  expect(container.querySelector('main')).toBe(main)
  expect(container.querySelector('h1')?.textContent).toBe('known 1/2 1 live')
  expect(container.querySelector('[data-presence]')?.getAttribute('aria-label')).toBe('Online')
  expect(container.textContent).toContain('ben is typing…')
  expect(recovered).toEqual([])
  expect(onError.mock.calls).toEqual([])
})
