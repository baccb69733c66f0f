import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { API_KEYS_MAX, createKeyring, parseApiKey } from '../src/api/keys.js'
import { describeConfig, loadConfig } from '../src/config.js'
import { readApiKeys } from '../src/secrets.js'
import { temporaryFolder } from './vigie-process.js'

const keysOf = async (env: Readonly<Record<string, string>>) =>
  (await readApiKeys(loadConfig({ env }))).map(({ key, scopes }) => `${scopes.join('+')} ${key}`)

describe('the keys of the API', () => {
  it('are for both scopes unless they say for which', () => {
    expect(parseApiKey('abc')).toEqual({ key: 'abc', scopes: ['read', 'act'] })
    expect(parseApiKey('read:abc')).toEqual({ key: 'abc', scopes: ['read'] })
    expect(parseApiKey('act:a.b_c~d+e/f-g==')).toEqual({ key: 'a.b_c~d+e/f-g==', scopes: ['act'] })
    expect(parseApiKey('x'.repeat(512))?.key).toHaveLength(512)
  })

  it.each(['', 'write:abc', 'READ:abc', 'read:', 'read:act:abc', 'a b', 'a=b', 'é', 'a,b', 'x'.repeat(513)])(
    'are refused where they could not be sent, or their scope is none: %j',
    async (entry) => {
      expect(parseApiKey(entry)).toBeUndefined()
      if (entry === '' || entry === 'a,b') return
      const refusal = () => loadConfig({ env: { VIGIE_API_KEY: entry } })
      expect(refusal).toThrow(/^VIGIE_API_KEY is a value that is not shown; it must be a key of at most 512/u)
    },
  )

  it('come from two variables and two files, all together', async () => {
    await using folder = await temporaryFolder()
    const [one, many] = [join(folder.path, 'one'), join(folder.path, 'many')]
    await writeFile(one, 'act:one\n')
    await writeFile(many, 'read:two, three\n')
    expect(await keysOf({})).toEqual([])
    expect(await keysOf({ VIGIE_API_KEY: 'a', VIGIE_API_KEYS: 'read:b, act:c' })).toEqual([
      'read+act a',
      'read b',
      'act c',
    ])
    expect(await keysOf({ VIGIE_API_KEY_FILE: one, VIGIE_API_KEYS_FILE: many })).toEqual([
      'act one',
      'read two',
      'read+act three',
    ])
    await writeFile(many, 'read:two;act:three\n')
    await expect(keysOf({ VIGIE_API_KEYS_FILE: many })).rejects.toThrow(
      /^VIGIE_API_KEYS_FILE is \S+, which holds a value that is not shown; it must be a list/u,
    )
  })

  it('have one place each', () => {
    for (const name of ['VIGIE_API_KEY', 'VIGIE_API_KEYS']) {
      expect(() => loadConfig({ env: { [name]: 'a', [`${name}_FILE`]: 'b' } })).toThrow(
        `${name} and ${name}_FILE are both set; a secret has one place: leave one of them out.`,
      )
    }
  })

  it('are so many at most', async () => {
    const list = (length: number) => Array.from({ length }, (_, n) => `k${n}`).join(',')
    expect(await keysOf({ VIGIE_API_KEYS: list(API_KEYS_MAX) })).toHaveLength(API_KEYS_MAX)
    await expect(keysOf({ VIGIE_API_KEYS: list(API_KEYS_MAX), VIGIE_API_KEY: 'a' })).rejects.toThrow(
      'There are 101 keys of the HTTP API; each request is compared with all of them: keep 100 or fewer.',
    )
  })

  it('are not printed', () => {
    const text = describeConfig(
      loadConfig({ env: { VIGIE_API_KEY: 'hidden-one', VIGIE_API_KEYS: 'hidden-two' } }),
    )
    expect(text).not.toContain('hidden')
    expect(text).toMatch(/^VIGIE_API_KEYS +\(secret\)/mu)
  })
})

describe('a keyring', () => {
  it('finds a key and its scopes, and nothing that only begins or ends like one', () => {
    const keyring = createKeyring([parseApiKey('read:abc')!, parseApiKey('abcd')!])
    expect([keyring.size, [...(keyring.find('abc')?.scopes ?? [])]]).toEqual([2, ['read']])
    expect([...(keyring.find('abcd')?.scopes ?? [])]).toEqual(['read', 'act'])
    for (const wrong of ['', 'ab', 'bc', 'ABC', 'abcde', 'read:abc'])
      expect(keyring.find(wrong)).toBeUndefined()
    expect(createKeyring([]).find('')).toBeUndefined()
  })

  it('gives a key that is named with either scope both', () => {
    const keyring = createKeyring([parseApiKey('read:abc')!, parseApiKey('act:abc')!])
    expect([keyring.size, [...(keyring.find('abc')?.scopes ?? [])]]).toEqual([1, ['read', 'act']])
  })
})
