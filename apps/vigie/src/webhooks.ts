/** Webhooks of `vigie serve`: one entry of the option for each endpoint. */
import type { Kind } from './option-kinds.js'

/** `name address secret`, and further secrets while one is exchanged. What each may be is said by the library. */
const ENTRY = /^[\w.-]{1,64} https?:\/\/\S+( whsec_[A-Za-z0-9+/]+={0,2}){1,5}$/u

/** One entry of the options. */
export const webhook: Kind<string> = {
  expects: 'a name, an address and a secret whsec_…, with one space between them',
  parse: (raw) => (typeof raw === 'string' && ENTRY.test(raw) && URL.canParse(urlIn(raw)) ? raw : undefined),
}

function urlIn(entry: string): string {
  return entry.split(' ')[1] ?? ''
}

/** The secrets of an entry: for nobody's eyes. */
export function webhookSecretsIn(entry: string): readonly string[] {
  return entry.split(' ').slice(2)
}

/** The entry as the library takes it. */
export function webhookEndpointOf(entry: string) {
  const [name = '', url = '', ...secret] = entry.split(' ')
  return { name, url, secret }
}
