import { describe, expect, it } from 'vitest'
import { ID_MAX_LENGTH, isId, LABEL_MAX_LENGTH } from '../src/index.js'

describe('an id', () => {
  it.each([
    'a',
    '42',
    'user:1',
    'é',
    '😀',
    '日本',
    'with space',
    '__proto__',
    'constructor',
    'x'.repeat(ID_MAX_LENGTH),
  ])('may be %j', (value) => {
    expect(isId(value)).toBe(true)
  })

  it.each([
    ['an empty string', ''],
    ['a string that is too long', 'x'.repeat(ID_MAX_LENGTH + 1)],
    ['a pair of surrogates that crosses the limit', `${'x'.repeat(ID_MAX_LENGTH - 1)}😀`],
    ['a NUL', 'a\u0000'],
    ['a line break', 'a\nb'],
    ['a DEL', 'a\u007f'],
    ['a C1 control', 'a\u0085'],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone high surrogate inside', '\ud800a'],
    ['a lone low surrogate', '\udc00'],
    ['surrogates in the wrong order', '\udc00\ud800'],
    ['a number', 1],
    ['null', null],
    ['nothing', undefined],
    ['a String object', Object('a')],
    ['an array', ['a']],
    ['an object that says it is a string', { length: 1, toString: () => 'a' }],
  ])('is not %s', (_name, value) => {
    expect(isId(value)).toBe(false)
  })

  it('may have another limit', () => {
    expect(isId('x'.repeat(LABEL_MAX_LENGTH), LABEL_MAX_LENGTH)).toBe(true)
    expect(isId('x'.repeat(LABEL_MAX_LENGTH + 1), LABEL_MAX_LENGTH)).toBe(false)
  })
})
