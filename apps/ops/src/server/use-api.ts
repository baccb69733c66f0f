import { createContext, use } from 'react'
import type { Api } from './api.js'

export const ApiContext = createContext<Api | undefined>(undefined)

export function useApi(): Api {
  const api = use(ApiContext)
  if (api === undefined) throw new Error('The page is rendered within an ApiContext.')
  return api
}
