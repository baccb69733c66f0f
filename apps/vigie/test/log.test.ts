import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig, secretsOf } from '../src/config.js'
import { createLog, REDACTED, SECRET_MIN_LENGTH, type LogOptions } from '../src/log.js'

/** A log, and the lines that it has written. */
function start(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const log = createLog({ level: 'debug', output: { write: (line) => lines.push(line) }, ...options })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> }
}

const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWFkYQ'

describe('a line', () => {
  it('is one JSON object with a time, a level in words, a sentence, and fields', () => {
    const { log, lines, last } = start()
    log.warn('Something is odd.', { sessionId: 's1', attempts: 3 })
    expect(lines).toEqual([expect.stringMatching(/^\{.*\}\n$/u)])
    expect(last()).toEqual({
      level: 'warn',
      time: expect.any(Number) as number,
      msg: 'Something is odd.',
      sessionId: 's1',
      attempts: 3,
    })
  })

  it('below the level is not written', () => {
    const { log, lines } = start({ level: 'warn' })
    log.debug('a')
    log.info('b')
    log.error('c')
    expect(lines).toHaveLength(1)
  })

  it('describes an error with its type, message, code, stack and cause, and with nothing else of it', () => {
    const { log, last } = start()
    const cause = Object.assign(new RangeError('too late'), { code: 'ETOOLATE', rows: ['of', 'others'] })
    log.error('It failed.', { error: new Error('away', { cause }) })
    expect(last().error).toEqual({
      type: 'Error',
      message: 'away',
      stack: expect.stringContaining('away') as string,
      cause: {
        type: 'RangeError',
        message: 'too late',
        code: 'ETOOLATE',
        stack: expect.stringContaining('too late') as string,
      },
    })
    log.error('It failed.', { error: 'no error at all' })
    expect(last().error).toEqual({ type: 'string', message: 'no error at all' })
    const circular: { self?: unknown; count: bigint } = { count: 7n }
    circular.self = circular
    log.error('It failed.', { error: circular, note: circular })
    expect(last().error).toEqual({ type: 'object', message: expect.stringContaining('Circular') as string })
  })

  it('is a sentence where a person watches', () => {
    const lines: string[] = []
    const output = { isTTY: true, write: (line: string) => lines.push(line) }
    const log = createLog({ level: 'info', output })
    log.info('Vigie starts.', { version: '1.2.3' })
    log.warn('The database cannot be reached.', { error: new Error('away'), token: TOKEN })
    expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d/u, 'now'))).toEqual([
      'now Vigie starts. (version 1.2.3)\n',
      `now warning: The database cannot be reached. (token ${REDACTED}, error away)\n`,
    ])
  })
})

describe('a secret', () => {
  it.each(['token', 'password', 'secret', 'apiKey', 'key', 'authorization', 'cookie', 'databaseUrl'])(
    'is left out of the field %s, and of the one below',
    (name) => {
      const { log, lines } = start()
      log.info('A request came.', { [name]: 'hunter2-hunter2', headers: { [name]: 'hunter2-hunter2' } })
      expect(lines.join()).not.toContain('hunter2')
      expect(lines.join().split(REDACTED)).toHaveLength(3)
    },
  )

  it.each([
    ['a token', `refused ${TOKEN} of ada`, `refused ${REDACTED} of ada`],
    [
      'a token without a signature',
      'refused eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ. here',
      `refused ${REDACTED} here`,
    ],
    ['a header', 'sent Bearer abc.def-123, it says', `sent Bearer ${REDACTED} it says`],
    ['an address', 'at postgres://u:hunter2@h/d', `at postgres://u:${REDACTED}@h/d`],
    ['a query', 'GET /x?a=1&token=abc&b=2', `GET /x?a=1&token=${REDACTED}&b=2`],
  ])('is known by its form: %s, in sentences, fields, errors and their causes', (_name, text, shown) => {
    const { log, last } = start()
    log.info(text, { note: text, error: new Error(text, { cause: new Error(text) }) })
    expect(last()).toMatchObject({
      msg: shown,
      note: shown,
      error: { message: shown, cause: { message: shown } },
    })
    expect(JSON.stringify(last())).not.toContain(text)
  })

  it('leaves an address alone whose password is hidden already', () => {
    const { log, last } = start()
    log.info('at postgres://u:***@h/d')
    expect(last().msg).toBe('at postgres://u:***@h/d')
  })

  it('is left out wherever it stands once the log was told of it, however it is written', () => {
    const { log, lines } = start()
    const secret = 'pass"word\\with /?signs'
    log.conceal(secret)
    log.info(`It is ${secret}.`, { note: [secret], url: `http://h/${encodeURIComponent(secret)}` })
    const text = lines.join()
    for (const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
      expect(text).not.toContain(form)
    }
    expect(text.split(REDACTED)).toHaveLength(4)
  })

  it('that is as short as a syllable is not left out of every word', () => {
    const { log, last } = start()
    log.conceal('x'.repeat(SECRET_MIN_LENGTH - 1))
    log.conceal('x'.repeat(SECRET_MIN_LENGTH))
    log.info(`${'x'.repeat(SECRET_MIN_LENGTH - 1)} ${'x'.repeat(SECRET_MIN_LENGTH)}`)
    expect(last().msg).toBe(`${'x'.repeat(SECRET_MIN_LENGTH - 1)} ${REDACTED}`)
  })

  it('of the configuration is each option that is one, and the password of an address', () => {
    const config = loadConfig({
      env: {
        DATABASE_URL: 'postgres://u:p%40ss-word@h/d',
        VIGIE_JWT_SECRET: 'the-first-secret',
        VIGIE_JWT_PREVIOUS_SECRET: 'the-second-secret',
      },
    })
    const found = secretsOf(config)
    for (const secret of ['p@ss-word', 'p%40ss-word', 'the-first-secret', 'the-second-secret']) {
      expect(found).toContain(secret)
    }
    expect(secretsOf(loadConfig({ env: {} }))).toEqual([])
  })
})

describe('a user id', () => {
  it('is a hash that is the same from line to line, and another after each start', () => {
    const { log, last } = start()
    const hashOf = (userId: string, of = log, read = last) => {
      of.info('A message was refused.', { userId })
      return read().userId
    }
    const ada = hashOf('ada')
    expect(ada).toMatch(/^#[\w-]{12}$/u)
    expect(hashOf('ada')).toBe(ada)
    expect(hashOf('ben')).not.toBe(ada)
    const again = start()
    expect(hashOf('ada', again.log, again.last)).not.toBe(ada)
  })

  it('is a hash in the error beside it, too, where it stands as a word', () => {
    const { log, last } = start()
    const cause = new Error('no rows for ada')
    log.warn('An id cannot be asked for.', {
      userId: 'ada',
      error: new Error('invalid input syntax for type uuid: "ada" (not adamant, not ada-lovelace)', {
        cause,
      }),
    })
    const { userId, error } = last() as {
      userId: string
      error: { message: string; cause: { message: string } }
    }
    expect(error.message).toBe(
      `invalid input syntax for type uuid: "${userId}" (not adamant, not ada-lovelace)`,
    )
    expect(error.cause.message).toBe(`no rows for ${userId}`)
    expect(JSON.stringify(error)).not.toMatch(/(?<![\w-])ada(?![\w-])/u)
  })

  it('may be any text: a line is written, and the id is not in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), (text) => {
        const userId = `<${text}>`
        const { log, last } = start()
        log.warn('Odd.', { userId, error: new Error(`no rows for "${userId}".`) })
        expect((last().error as { message: string }).message).toBe(
          `no rows for "${last().userId as string}".`,
        )
      }),
    )
  })

  it('is written as it is when that is asked for', () => {
    const { log, last } = start({ userIds: 'plain' })
    log.warn('An id cannot be asked for.', { userId: 'ada', error: new Error('no ada') })
    expect(last()).toMatchObject({ userId: 'ada', error: { message: 'no ada' } })
  })
})
