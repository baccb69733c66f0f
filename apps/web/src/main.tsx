import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.js'
import { createAccount } from './session/account.js'
import { chooseLanguage } from './texts/language.js'
import { LanguageContext } from './texts/use-language.js'
import './look/tokens.css'
import './look/base.css'
import './look/lists.css'
import './look/conversation.css'

const language = chooseLanguage(navigator.languages)
document.documentElement.lang = language.texts.lang
const account = createAccount()
account.restore()

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root.')
createRoot(root).render(
  <StrictMode>
    <LanguageContext value={language}>
      <App account={account} />
    </LanguageContext>
  </StrictMode>,
)
