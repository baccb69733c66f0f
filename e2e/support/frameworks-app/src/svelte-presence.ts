import type { PresenceClient, Selector } from '@vigie/client'
import { readable, type Readable } from 'svelte/store'

/** What `selector` selects; it listens to the client while somebody is subscribed. */
export function presenceStore<Value>(client: PresenceClient, selector: Selector<Value>): Readable<Value> {
  return readable(selector(client), (set) => {
    set(selector(client))
    return client.subscribe(selector, set)
  })
}
