import { describe, expect, it } from 'vitest'
import { ERRORS, PresenceError, type ErrorCode } from '../src/index.js'

describe('the table of errors', () => {
  it.each(Object.entries(ERRORS))(
    'says of %s what happened and what comes next, in sentences',
    (code, row) => {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
      for (const text of [row.meaning, row.next]) expect(text).toMatch(/^[A-Z`].*\.$/)
      expect(['now', 'backoff', 'never']).toContain(row.retry)
    },
  )
})

describe('PresenceError', () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])(
    '%s carries to the client what the table says, and no more',
    (code) => {
      const error = new PresenceError(code, undefined, { cause: new Error('secret') })
      expect(error.data).toEqual({ code, message: ERRORS[code].meaning, retry: ERRORS[code].retry })
      expect(JSON.stringify(error.data)).not.toContain('secret')
      expect(error.cause).toBeInstanceOf(Error)
      expect([error.name, error.code, error.message]).toEqual(['PresenceError', code, ERRORS[code].meaning])
    },
  )

  it('has a message of its own, and the protocols that are spoken, where they are given', () => {
    const { data } = new PresenceError('protocol_unsupported', 'Not this one.', { supported: [1] })
    expect(data).toEqual({
      code: 'protocol_unsupported',
      message: 'Not this one.',
      retry: 'never',
      supported: [1],
    })
  })
})
