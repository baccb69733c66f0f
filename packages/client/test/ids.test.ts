/** What is an id is written twice, so that a page does not load the server's validation: both must say the same. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isId as isIdOfServer } from '@vigie/protocol'
import { isId } from '../src/watch.js'

test('the client takes for an id what the server takes for one', () => {
  const unit = fc.oneof(
    fc.constantFrom(
      'a',
      ' ',
      '\n',
      '\0',
      '\u007f',
      '\u0080',
      '\u009f',
      '\u00a0',
      '\u2028',
      '\ud83d',
      '\ude00',
      '😀',
      '\ue000',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
  )
  const text = fc.oneof(
    fc.array(unit, { maxLength: 4 }).map((units) => units.join('')),
    fc.integer({ min: 126, max: 130 }).map((length) => 'x'.repeat(length)),
  )
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: text }, fc.anything()), (value) => {
      expect(isId(value)).toBe(isIdOfServer(value))
    }),
    { numRuns: 2_000 },
  )
  expect([isId('😀'), isId('\ud83d'), isId(''), isId('x'.repeat(128)), isId('x'.repeat(129))]).toEqual([
    true,
    false,
    false,
    true,
    false,
  ])
})
