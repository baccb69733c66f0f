import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.js'
import { SOURCES } from './charts/charts.js'
import { createMonitor } from './monitor/monitor.js'
import { createApi } from './server/api.js'
import { ApiContext } from './server/use-api.js'
import { chooseLanguage } from './texts/language.js'
import { LanguageContext } from './texts/use-language.js'
import '@vigie/web/look/tokens.css'
import './look/ops.css'

const language = chooseLanguage(navigator.languages)
document.documentElement.lang = language.texts.lang
document.title = language.texts.title
// The page is at `…/ops/`, and the API beside it.
const api = createApi(new URL('../', location.href.split('#')[0]).href)
const monitor = createMonitor({
  ask: () => api.client().monitor(),
  sources: SOURCES,
  now: Date.now,
  isHidden: () => document.hidden,
  onVisibility(listener) {
    document.addEventListener('visibilitychange', listener)
    return () => document.removeEventListener('visibilitychange', listener)
  },
})
monitor.start()

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root.')
createRoot(root).render(
  <StrictMode>
    <LanguageContext value={language}>
      <ApiContext value={api}>
        <App monitor={monitor} />
      </ApiContext>
    </LanguageContext>
  </StrictMode>,
)
