import { createPresenceClient } from '@vigie/client'
import { StrictMode } from 'react'
import { renderToString } from 'react-dom/server'
import { App } from './app.js'

/** The page as a server renders it, with a client that nobody has told to connect. */
export function render(url: string): string {
  const client = createPresenceClient({ url, token: 'nobody' })
  return renderToString(
    <StrictMode>
      <App client={client} />
    </StrictMode>,
  )
}
