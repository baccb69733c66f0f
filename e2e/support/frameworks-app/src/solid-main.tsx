import { render } from 'solid-js/web'
import { client, onlineInPlan } from './client'
import { createPresence } from './solid-presence'

function Page() {
  const online = createPresence(client, onlineInPlan)
  return <h1>{online()}</h1>
}

const root = document.getElementById('root')
if (root) render(() => <Page />, root)
