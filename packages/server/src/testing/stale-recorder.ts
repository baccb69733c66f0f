import type { Stale } from '../core/ports.js'

/** Ids that must have been named. */
export interface StaleNames {
  readonly users?: readonly string[]
  readonly groups?: readonly string[]
  readonly conversations?: readonly string[]
}

/** A listener for `Memberships.open` that remembers and can be waited for. */
export interface StaleRecorder {
  readonly onStale: (stale: Stale) => void
  /** Every call so far. */
  readonly calls: readonly Stale[]
  /** Resolves once the calls together have named all of these; `'all'` names everything. */
  named(names: StaleNames): Promise<void>
  /** Resolves once `'all'` was said. */
  saidAll(): Promise<void>
  /** Whether any call so far has named this user; `'all'` does. */
  hasNamed(userId: string): boolean
  /** Forgets the calls so far. */
  clear(): void
}

/**
 * Records what a store says is stale, so that tests wait for facts and not for time.
 * @example
 * const told = staleRecorder()
 * await memberships.open(told.onStale)
 * await told.named({ users: ['ada'] })
 */
export function staleRecorder(): StaleRecorder {
  const calls: Stale[] = []
  const waiting = new Set<() => void>()

  function when(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      function look(): void {
        if (!isMet()) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  }

  const has = (kind: keyof StaleNames, id: string) =>
    calls.some((stale) => stale === 'all' || (stale[kind] as readonly string[]).includes(id))

  return {
    calls,
    onStale(stale) {
      calls.push(stale)
      for (const look of [...waiting]) look()
    },
    named: (names) =>
      when(() =>
        (['users', 'groups', 'conversations'] as const).every((kind) =>
          (names[kind] ?? []).every((id) => has(kind, id)),
        ),
      ),
    saidAll: () => when(() => calls.includes('all')),
    hasNamed: (userId) => has('users', userId),
    clear() {
      calls.length = 0
    },
  }
}
