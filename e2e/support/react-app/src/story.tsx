import { createFakePresence } from '@vigie/client/testing'
import { createRoot } from 'react-dom/client'
import { App } from './app.js'

const presence = createFakePresence({
  online: ['ana'],
  conversations: { plan: ['ana', 'ben'] },
  groups: { team: { members: 900, online: 77 } },
})

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <>
      <App client={presence} />
      <button
        type="button"
        onClick={() => {
          presence.setOnline('ben', 2)
          presence.setTyping('plan', ['ben'])
        }}
      >
        Ben comes
      </button>
    </>,
  )
}
