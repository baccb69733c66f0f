import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { consoleLog } from '../../src/socketio/console-log.js'
import { resolveOptions } from '../../src/socketio/options.js'
import { memoryMemberships } from '../../src/memory/index.js'
import {
  attachPresence,
  nearestName,
  SETTINGS,
  silentLog,
  type PresenceServer,
} from '../../src/socketio/index.js'
import { SECRET } from '../support/wire.js'

/** What a host in JavaScript may write: no types keep it from anything. */
function attach(io: unknown, options: unknown): PresenceServer {
  const presence = attachPresence(io as never, options as never)
  presence.ready.catch(() => {})
  onTestFinished(() => presence.close())
  return presence
}
const good = () => ({ auth: { secret: SECRET }, memberships: memoryMemberships(), log: silentLog })
/** `undefined`: it was accepted. */
function refusal(options: unknown, io: unknown = new Server()): string | undefined {
  try {
    attach(io, options)
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return (error as Error).message
  }
  return undefined
}

describe('attachPresence refuses in a sentence', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['options in its place', { auth: { secret: SECRET } }],
    ['an HTTP server', createServer()],
    ['a function', () => {}],
    ['a port', 8_080],
    ['an adapter', new Server().of('/').adapter],
  ])('what is no Socket.IO server: %s', (_name, io) => {
    expect(refusal(good(), io ?? null)).toMatch(
      /^attachPresence needs a Socket\.IO server, or one of its namespaces/,
    )
  })

  it.each<[string, unknown, string]>([
    ['no options', undefined, 'attachPresence needs options'],
    ['no memberships', { auth: { secret: SECRET } }, 'attachPresence needs `memberships`'],
    [
      'memberships that are a connection',
      { ...good(), memberships: () => [] },
      '`memberships` is none: it needs the functions open,',
    ],
    [
      'memberships without one function',
      { ...good(), memberships: { ...memoryMemberships(), readRooms: undefined } },
      '`memberships` is none',
    ],
    [
      'a misspelt setting',
      { ...good(), graceMS: 5 },
      '`graceMS` is no option of attachPresence; the nearest is `graceMs`.',
    ],
    ['a misspelt option', { ...good(), authentcate: () => {} }, 'the nearest is `authenticate`.'],
    ['an option that is none at all', { ...good(), qqq: 1 }, '`qqq` is no option of attachPresence.'],
    [
      'a misspelt claim',
      { ...good(), auth: { secret: SECRET, issuerr: 'acme' } },
      '`issuerr` is no option of `auth`; the nearest is `issuer`.',
    ],
    [
      'a misspelt room',
      { ...good(), rooms: { conversations: 'c:' } },
      '`conversations` is no option of `rooms`; the nearest is `conversation`.',
    ],
    ['a prefix that is no text', { ...good(), rooms: { user: 7 } }, '`rooms.user` must be a text'],
    ['rooms that are true', { ...good(), rooms: true }, '`rooms` must be false, or an object'],
    ['no check of tokens', { memberships: memoryMemberships() }, 'exactly one of `auth` and `authenticate`'],
    [
      'two checks of tokens',
      { ...good(), authenticate: () => {} },
      'exactly one of `auth` and `authenticate`',
    ],
    [
      'a check that is no function',
      { memberships: memoryMemberships(), authenticate: 'jwt' },
      '`authenticate` is no function',
    ],
    ['a secret in place of auth', { ...good(), auth: SECRET }, '`auth` is no object'],
    [
      'a secret that is not set',
      { ...good(), auth: { secret: undefined } },
      'exactly one of `secret` and `jwksUrl`',
    ],
    [
      'a secret and published keys',
      { ...good(), auth: { secret: SECRET, jwksUrl: 'https://a.example/k' } },
      'exactly one of',
    ],
    ['an empty secret', { ...good(), auth: { secret: '' } }, '`auth.secret` is empty.'],
    [
      'an empty list of secrets',
      { ...good(), auth: { secret: [] } },
      '`auth.secret` has an empty secret, or none',
    ],
    [
      'an empty secret among two',
      { ...good(), auth: { secret: [SECRET, ''] } },
      '`auth.secret` has an empty secret',
    ],
    [
      'three secrets',
      { ...good(), auth: { secret: ['a', 'b', 'c'] } },
      '`auth.secret` has 3 secrets; there may be 2',
    ],
    [
      'a secret that is no text',
      { ...good(), auth: { secret: [7] } },
      '`auth.secret` must be a text, or a list',
    ],
    [
      'a secret where a public key belongs',
      { ...good(), auth: { secret: SECRET, algorithms: ['RS256'] } },
      '`auth.secret` is no key for RS256: ',
    ],
    [
      'an address that is none',
      { ...good(), auth: { jwksUrl: 'issuer/keys' } },
      '`auth.jwksUrl` is no address',
    ],
    [
      'an empty issuer',
      { ...good(), auth: { secret: SECRET, issuer: '' } },
      '`auth.issuer` must be a text that is not empty.',
    ],
    [
      'algorithms that are no list',
      { ...good(), auth: { secret: SECRET, algorithms: 'HS256' } },
      '`auth.algorithms` must be a list',
    ],
    ['no algorithm', { ...good(), auth: { secret: SECRET, algorithms: ['None'] } }, 'which accepts anybody'],
    ['a flag that is a text', { ...good(), emit: 'false' }, '`emit` must be true or false.'],
    [
      'what the trail is to say, as a text',
      { ...good(), trailConfiguration: 'none' },
      '`trailConfiguration` must be an object.',
    ],
    [
      'what is no JSON',
      { ...good(), trailConfiguration: { count: 1n } },
      '`trailConfiguration` cannot be written as JSON.',
    ],
    [
      'a tale',
      { ...good(), trailConfiguration: { text: 'x'.repeat(65_526) } },
      '`trailConfiguration` is 65537 characters of JSON; it may be 65536.',
    ],
    [
      'a log without functions',
      { ...good(), log: 'debug' },
      '`log` is no log: it needs the functions debug, info, warn, error.',
    ],
    [
      'a setting out of range',
      { ...good(), graceMs: -1 },
      'graceMs is -1; it must be a whole number from 0 to 600000.',
    ],
  ])('%s', (_name, options, sentence) => {
    expect(refusal(options)).toContain(sentence)
  })

  it('but not a configuration for the trail that just fits', () => {
    expect(refusal({ ...good(), trailConfiguration: { text: 'x'.repeat(65_525) } })).toBeUndefined()
  })

  it('and takes that configuration as it was at the start', () => {
    const trailConfiguration = { version: '7' }
    const options = resolveOptions({ ...good(), trailConfiguration }, new Server())
    trailConfiguration.version = '8'
    expect(options.trailConfiguration).toEqual({ version: '7' })
  })

  it('tokens that are longer than Socket.IO takes in', () => {
    const io = () => new Server({ maxHttpBufferSize: 20_000 })
    expect(refusal({ ...good(), tokenMaxLength: 18_000 }, io())).toContain('tokenMaxLength is 18000')
    expect(refusal({ ...good(), tokenMaxLength: 17_000 }, io())).toBeUndefined()
  })

  it('a second presence on the same namespace, and takes one on another, or after the first was closed', async () => {
    const io = new Server()
    const first = attach(io, good())
    for (const same of [io, io.of('/')]) {
      expect(refusal(good(), same)).toBe(
        'The namespace `/` has presence already. Call `attachPresence` once, ' +
          'or `await presence.close()` before the next call.',
      )
    }
    expect(refusal({ ...good(), emit: false }, io)).toContain('has presence already')
    expect(refusal(good(), io.of('/chat'))).toBeUndefined()
    await first.close()
    expect(refusal(good(), io)).toBeUndefined()
  })

  it('and leaves nothing behind: the namespace is free for the right options', () => {
    const io = new Server()
    expect(refusal({ ...good(), auth: { secret: 'no key', algorithms: ['RS256'] } }, io)).toContain('no key')
    expect(refusal({ ...good(), graceMs: -1 }, io)).toContain('graceMs')
    expect(refusal(good(), io)).toBeUndefined()
  })
})

it('attachPresence takes every setting by its name, and options that are undefined', () => {
  const settings = Object.fromEntries(Object.entries(SETTINGS).map(([name, row]) => [name, row.default]))
  expect(
    refusal({ ...good(), ...settings, rooms: undefined, emit: undefined, authenticate: undefined }),
  ).toBeUndefined()
})

describe('the nearest name', () => {
  const names = Object.keys(SETTINGS)
  it.each([
    ['GRACE_MS', 'graceMs'],
    ['gracems', 'graceMs'],
    ['graceM', 'graceMs'],
    ['typingLease', 'typingLeaseMs'],
    ['tokenMaxLen', 'tokenMaxLength'],
    ['zzz', undefined],
    ['', undefined],
  ])('of %j is %s', (wrong, nearest) => {
    expect(nearestName(wrong, names)).toBe(nearest)
  })

  it('of a known name is that name, and of no names there is none', () => {
    for (const name of names) expect(nearestName(name, names)).toBe(name)
    expect(nearestName('graceMs', [])).toBeUndefined()
  })
})

describe('a host that gives no log', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  function hear() {
    const lines: unknown[][] = []
    for (const name of ['debug', 'info', 'log', 'warn', 'error'] as const) {
      vi.spyOn(console, name).mockImplementation((...words: unknown[]) => void lines.push([name, ...words]))
    }
    return lines
  }
  const failing = () => ({
    auth: { secret: SECRET },
    memberships: { ...memoryMemberships(), open: () => Promise.reject(new Error('no such table')) },
  })

  it('hears of warnings and errors on the console, and of nothing else', async () => {
    const lines = hear()
    const presence = attach(new Server(), failing())
    await expect(presence.ready).rejects.toThrow('no such table')
    expect(lines).toEqual([
      [
        'error',
        expect.stringMatching(/^\[vigie\] Memberships cannot be followed/),
        { error: expect.any(Error) },
      ],
    ])
  })

  it('hears that the audit trail cannot be kept, and not that memberships cannot be followed', async () => {
    const lines = hear()
    const trail = {
      node: 'a',
      check: () => Promise.reject(new Error('no trail')),
      makeDays: async () => {},
      write: async (rows: readonly object[]) => rows.length,
      lastBoot: async () => undefined,
      unfinished: async () => [],
      close: async () => {},
    }
    const presence = attach(new Server(), {
      auth: { secret: SECRET },
      memberships: memoryMemberships(),
      trail,
    })
    await expect(presence.ready).rejects.toThrow('no trail')
    expect(lines).toEqual([
      ['error', '[vigie] The audit trail cannot be kept; nobody is let in.', { error: expect.any(Error) }],
    ])
    await presence.close()
  })

  it('sees what a warning is about, where it is about something', () => {
    const lines = hear()
    consoleLog.warn('Slow.', { ms: 5 })
    consoleLog.warn('Slow.')
    consoleLog.info('Fine.')
    consoleLog.debug('Fine.')
    expect(lines).toEqual([
      ['warn', '[vigie] Slow.', { ms: 5 }],
      ['warn', '[vigie] Slow.'],
    ])
  })

  it('but not one that gave a log, or silentLog', async () => {
    const lines = hear()
    const presence = attach(new Server(), { ...failing(), log: silentLog })
    await expect(presence.ready).rejects.toThrow('no such table')
    expect(lines).toEqual([])
  })
})
