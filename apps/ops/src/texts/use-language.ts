import { createContext, use } from 'react'
import { chooseLanguage, type Language } from './language.js'

/** The page's language; it does not change while the page is open. */
export const LanguageContext = createContext<Language>(chooseLanguage(['en']))

export function useLanguage(): Language {
  return use(LanguageContext)
}
