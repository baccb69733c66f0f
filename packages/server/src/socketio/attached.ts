/** Which namespaces have presence: two at once would both let people in, and each would take the other's rooms for joins. */
import type { Namespace } from 'socket.io'

/** Handlers for `connect` that do nothing: a namespace that a pattern stands for has those of the pattern, and so this one. */
const marks = new WeakSet<object>()

/**
 * Says that the namespace has presence, until the function that is returned is called.
 * @throws TypeError when it has presence already, of its own or from a pattern that it came from.
 */
export function markAttached(namespace: Namespace): () => void {
  if (namespace.listeners('connect').some((listener) => marks.has(listener))) {
    throw new TypeError(
      `The namespace \`${namespace.name}\` has presence already. Call \`attachPresence\` once, ` +
        'or `await presence.close()` before the next call.',
    )
  }
  const mark = () => {}
  marks.add(mark)
  namespace.on('connect', mark)
  return () => {
    marks.delete(mark)
    namespace.off('connect', mark)
  }
}
