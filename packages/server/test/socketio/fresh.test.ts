import { expect, it } from 'vitest'
import { createFresh } from '../../src/socketio/fresh.js'

/** A store whose reads end when the test says so. */
function store() {
  const reads: ((value: number | Error) => void)[] = []
  const values: number[] = []
  const errors: unknown[] = []
  const fresh = createFresh<number>({
    read: () =>
      new Promise((resolve, reject) => {
        reads.push((value) => {
          if (typeof value === 'number') resolve(value)
          else reject(value)
        })
      }),
    onValue: (value) => values.push(value),
    onError: (error) => errors.push(error),
    retryMs: 1,
  })
  return {
    fresh,
    reads,
    values,
    errors,
    answer: (index: number, value: number | Error) => reads[index]?.(value),
  }
}

/** Lets everything that is ready run. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

it('a read during which a change was announced is repeated before it counts', async () => {
  const { fresh, reads, values, answer } = store()
  const loaded = fresh.load()
  fresh.invalidate()
  answer(0, 1)
  await settle()
  expect(values).toEqual([])
  answer(1, 2)
  expect(await loaded).toBe(2)
  expect(values).toEqual([2])
  expect(reads.length).toBe(2)
})

it('changes that never cease do not keep a value from being known, nor from being read again', async () => {
  const { fresh, reads, values, answer } = store()
  const loaded = fresh.load()
  for (let index = 0; index < 4; index++) {
    fresh.invalidate()
    answer(index, index)
    await settle()
  }
  expect(await loaded).toBe(3)
  expect(values).toEqual([3])
  // The last was stale, too: the next read is under way.
  expect(reads.length).toBe(5)
  answer(4, 4)
  await settle()
  expect(values).toEqual([3, 4])
  expect(reads.length).toBe(5)
})

it('a value that could not be read again stands, and is read until that succeeds', async () => {
  const { fresh, reads, values, errors, answer } = store()
  const loaded = fresh.load()
  answer(0, 1)
  await loaded
  fresh.invalidate()
  answer(1, new Error('away'))
  await settle()
  expect(fresh.value).toBe(1)
  expect(errors.length).toBe(1)
  while (reads.length < 3) await settle()
  answer(2, 2)
  await settle()
  expect(values).toEqual([1, 2])
  fresh.close()
})

it('after its end nothing is told or read', async () => {
  const { fresh, reads, values, answer } = store()
  const loaded = fresh.load()
  fresh.close()
  fresh.invalidate()
  answer(0, 1)
  await settle()
  answer(1, 1)
  await loaded
  expect(values).toEqual([])
  expect(reads.length).toBe(2)
})
