/** Which namespaces have presence. A second one would let people in beside the first, and take its rooms for joined ones. */
import type { Namespace } from 'socket.io'

/** Handlers for `connect` that do nothing. A namespace that comes from a pattern has those of the pattern, and so this one. */
const marks = new WeakSet<object>()

/** @throws TypeError when the namespace has presence, of its own or from a pattern that it came from. */
export function refuseAttached(namespace: Namespace): void {
  if (!namespace.listeners('connect').some((listener) => marks.has(listener))) return
  throw new TypeError(
    `The namespace \`${namespace.name}\` has presence already. Call \`attachPresence\` once, ` +
      'or `await presence.close()` before the next call.',
  )
}

/** The namespace has presence until the function that is returned is called. */
export function markAttached(namespace: Namespace): () => void {
  const mark = () => {}
  marks.add(mark)
  namespace.on('connect', mark)
  return () => {
    marks.delete(mark)
    namespace.off('connect', mark)
  }
}
