import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createFreshQueue, type Fresh } from '../../src/rows/fresh.js'

const RETRY_MS = 1_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** One entry, read by the test. */
function store() {
  let asked = 0
  const queue = createFreshQueue<number, Fresh<number>>({ onAsked: () => asked++, retryMs: RETRY_MS })
  const entry: Fresh<number> = { value: undefined, state: 'new' }
  const values: number[] = []
  return {
    queue,
    entry,
    values,
    asked: () => asked,
    /** Begins a read; what is returned ends it. */
    read() {
      const taken = queue.take(10)
      expect(taken).toEqual([entry])
      return (answer: number | Error) => {
        if (answer instanceof Error) queue.fail(taken, answer)
        else if (!queue.repeats(entry)) {
          queue.settle(entry, answer)
          values.push(answer)
        }
      }
    },
  }
}

/** Lets everything that is ready run. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

it('a read during which a change was announced is repeated before it counts', async () => {
  const { queue, entry, values, read } = store()
  const loaded = queue.load(entry)
  const first = read()
  queue.invalidate(entry)
  first(1)
  expect(entry.value).toBeUndefined()
  read()(2)
  await loaded
  expect(values).toEqual([2])
  expect(queue.size).toBe(0)
})

it('changes that never cease do not keep a value from being known, nor from being read again', async () => {
  const { queue, entry, values, read } = store()
  const loaded = queue.load(entry)
  for (let index = 0; index < 4; index++) {
    const answer = read()
    queue.invalidate(entry)
    answer(index)
  }
  await loaded
  expect(values).toEqual([3])
  // The last was stale, too: it is asked for again, and repeated as often again.
  expect(queue.size).toBe(1)
  const again = read()
  queue.invalidate(entry)
  again(4)
  expect(values).toEqual([3])
  read()(5)
  expect(values).toEqual([3, 5])
  expect(queue.size).toBe(0)
})

it('is part of one read at a time, however often it is asked for', async () => {
  const { queue, entry, read } = store()
  const loads = [queue.load(entry), queue.load(entry)]
  const answer = read()
  queue.ask(entry)
  loads.push(queue.load(entry))
  expect(queue.take(10)).toEqual([])
  answer(1)
  await Promise.all(loads)
  queue.ask(entry)
  expect(queue.size).toBe(0)
})

it('a value that is stale is loaded only once it was read again', async () => {
  const { queue, entry, read } = store()
  queue.ask(entry)
  read()(1)
  await queue.load(entry)
  queue.invalidate(entry)
  let isLoaded = false
  const loaded = queue.load(entry).then(() => (isLoaded = true))
  await settle()
  expect(isLoaded).toBe(false)
  read()(2)
  await loaded
  expect(entry.value).toBe(2)
})

it('a value that could not be read again stands, and is read until that succeeds', async () => {
  const { queue, entry, values, asked, read } = store()
  queue.ask(entry)
  read()(1)
  queue.invalidate(entry)
  const loaded = queue.load(entry)
  const refused = expect(loaded).rejects.toThrow('away')
  read()(new Error('away'))
  await refused
  expect(entry.value).toBe(1)
  vi.advanceTimersByTime(RETRY_MS - 1)
  expect(asked()).toBe(2)
  vi.advanceTimersByTime(1)
  expect(asked()).toBe(3)
  read()(2)
  expect(values).toEqual([1, 2])
})

it('a failed read is asked for again at once by whoever needs it now, and then not a second time', async () => {
  const { queue, entry, read } = store()
  queue.ask(entry)
  read()(new Error('away'))
  const loaded = queue.load(entry)
  read()(1)
  await loaded
  vi.advanceTimersByTime(RETRY_MS)
  expect(queue.size).toBe(0)
})

it('a failure leaves alone what is asked for again already', async () => {
  const { queue, entry, read } = store()
  const loaded = queue.load(entry)
  const taken = queue.take(10)
  queue.invalidate(entry)
  expect(queue.repeats(entry)).toBe(true)
  queue.fail(taken, new Error('away'))
  expect(entry.state).toBe('asked')
  read()(1)
  await loaded
})

it('takes those first that have waited longest', () => {
  const { queue } = store()
  const entries = Array.from({ length: 5 }, (): Fresh<number> => ({ value: undefined, state: 'new' }))
  for (const entry of entries) queue.ask(entry)
  expect(queue.take(3)).toEqual(entries.slice(0, 3))
  expect(queue.size).toBe(2)
  expect(queue.take(3)).toEqual(entries.slice(3))
})

it('after it was dropped an entry is not read, and who waits for it is refused', async () => {
  const { queue, entry, read } = store()
  const loaded = queue.load(entry)
  const answer = read()
  const refused = expect(loaded).rejects.toMatchObject({ code: 'unavailable' })
  queue.drop(entry)
  await refused
  queue.invalidate(entry)
  answer(new Error('away'))
  await expect(queue.load(entry)).rejects.toMatchObject({ code: 'unavailable' })
  expect(entry.state).toBe('dropped')
  expect(queue.size).toBe(0)
})

it('after its end nothing is asked for, and who waits is refused', async () => {
  const { queue, entry, asked, read } = store()
  const other: Fresh<number> = { value: undefined, state: 'new' }
  queue.ask(entry)
  read()(new Error('away'))
  const loaded = queue.load(other)
  const refused = expect(loaded).rejects.toMatchObject({ code: 'unavailable' })
  queue.close()
  queue.close()
  await refused
  vi.advanceTimersByTime(RETRY_MS)
  expect(queue.size).toBe(0)
  expect(entry.state).toBe('failed')
  expect(asked()).toBe(2)
})
