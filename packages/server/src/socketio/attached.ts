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

/** One presence on a namespace, or on all that come from a pattern. */
export interface Attached {
  /** Whether it is this presence that the namespace has. */
  isOn(namespace: Namespace): boolean
  /** The namespace has presence no longer. */
  end(): void
}

/** The namespace has presence from now on. */
export function markAttached(namespace: Namespace): Attached {
  const mark = () => {}
  marks.add(mark)
  namespace.on('connect', mark)
  return {
    isOn: (visited) => visited.listeners('connect').includes(mark),
    end() {
      marks.delete(mark)
      namespace.off('connect', mark)
    },
  }
}
