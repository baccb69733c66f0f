import { afterEach, expect, it } from 'vitest'
import { createEngine, resolveSettings } from '../../src/core/index.js'
import { createRuntime, type Runtime } from '../../src/socketio/runtime.js'

let runtime: Runtime | undefined
afterEach(() => {
  runtime?.close()
})

it('the clock of the engine never goes back, wherever in a stall it is read', () => {
  let time = 1_000
  runtime = createRuntime(
    createEngine(resolveSettings()),
    () => {},
    () => time,
  )
  const read: number[] = []
  // Late, but not late enough to count; then late enough: what was told already must stand.
  for (const step of [10, 40, 140, 20, 5_000, 1, 190, 30, 60_000, 199, 2]) {
    time += step
    read.push(runtime.now())
  }
  expect(read).toEqual([...read].sort((a, b) => a - b))
})
