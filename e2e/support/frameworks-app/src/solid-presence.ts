import type { PresenceClient, Selector } from '@vigie/client'
import { createSignal, onCleanup, type Accessor } from 'solid-js'

/** What `selector` selects, for as long as the owner is there. */
export function createPresence<Value>(client: PresenceClient, selector: Selector<Value>): Accessor<Value> {
  const [value, setValue] = createSignal(selector(client))
  onCleanup(client.subscribe(selector, (next) => setValue(() => next)))
  return value
}
