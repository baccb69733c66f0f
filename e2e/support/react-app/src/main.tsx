import { createPresenceClient } from '@vigie/client'
import { StrictMode } from 'react'
import { createRoot, hydrateRoot } from 'react-dom/client'
import { App } from './app.js'

const client = createPresenceClient({ url: location.origin, token: location.search.slice(1) })
client.connect()
const page = (
  <StrictMode>
    <App client={client} />
  </StrictMode>
)
const root = document.getElementById('root')
if (root?.hasChildNodes()) hydrateRoot(root, page)
else if (root) createRoot(root).render(page)
