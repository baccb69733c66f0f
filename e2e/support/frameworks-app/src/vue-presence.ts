import type { PresenceClient, Selector } from '@vigie/client'
import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

/** What `selector` selects, for as long as the component is there. */
export function usePresence<Value>(
  client: PresenceClient,
  selector: Selector<Value>,
): Readonly<ShallowRef<Value>> {
  const value = shallowRef(selector(client))
  onScopeDispose(
    client.subscribe(selector, (next) => {
      value.value = next
    }),
  )
  return value
}
