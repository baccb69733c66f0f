import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../src/config.js'
import { readSecrets, withDatabaseUrl } from '../src/secrets.js'
import { temporaryFolder } from './vigie-process.js'

/** The secrets that are in force when these variables are set and `file` holds this. */
async function secretsOf(
  env: Readonly<Record<string, string>>,
  content?: string | Uint8Array,
): Promise<string[]> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'file')
  if (content !== undefined) await writeFile(path, content)
  const filled = Object.entries(env).map(([name, value]) => [
    name,
    value.replace('<file>', path).replace('<folder>', folder.path),
  ])
  const secrets = await readSecrets(loadConfig({ env: Object.fromEntries(filled) }))
  return secrets.map(({ value }) => value)
}
const FILE = { VIGIE_JWT_SECRET_FILE: '<file>' }

describe('the secrets of the server', () => {
  it.each([
    ['one', { VIGIE_JWT_SECRET: 'new' }, ['new']],
    ['the one in use first', { VIGIE_JWT_SECRET: 'new', VIGIE_JWT_PREVIOUS_SECRET: 'old' }, ['new', 'old']],
    ['none with published keys', { VIGIE_JWKS_URL: 'https://a.example/keys' }, []],
  ])('are %s', async (_name, env, secrets) => {
    expect(await secretsOf(env)).toEqual(secrets)
  })

  it.each(['s3cret', 's3cret\n', 's3cret\r\n'])(
    'may be in a file, whose last line break is none of it: %j',
    async (content) => {
      expect(await secretsOf(FILE, content)).toEqual(['s3cret'])
      expect(
        await secretsOf({ VIGIE_JWT_SECRET: 'new', VIGIE_JWT_PREVIOUS_SECRET_FILE: '<file>' }, content),
      ).toEqual([...['new', 's3cret']])
    },
  )

  it('keep the spaces of a file: they are characters like others', async () => {
    expect(await secretsOf(FILE, ' s3 cret \n')).toEqual([' s3 cret '])
  })

  it.each<[string, string | Uint8Array | undefined, Readonly<Record<string, string>>, RegExp]>([
    [
      'is not there',
      undefined,
      FILE,
      /^VIGIE_JWT_SECRET_FILE is \S+, which cannot be read: there is no such file\.$/,
    ],
    ['is a folder', undefined, { VIGIE_JWT_SECRET_FILE: '<folder>' }, /: it is a folder\.$/],
    ['is empty', '', FILE, /, which is empty\.$/],
    ['has a line break alone', '\n', FILE, /, which is empty\.$/],
    ['has two lines', 's3cret\nother\n', FILE, /must hold the secret alone, as one line of text/],
    ['ends with an empty line', 's3cret\n\n', FILE, /must hold the secret alone/],
    ['has bytes that are no text', Uint8Array.of(0xff, 0xfe, 0x41), FILE, /must hold the secret alone/],
  ])('are refused, without showing them, when their file %s', async (_name, content, env, sentence) => {
    const error: unknown = await secretsOf(env, content).catch((thrown: unknown) => thrown)
    expect((error as Error).name).toBe('OperatorError')
    expect((error as Error).message).toMatch(sentence)
    expect((error as Error).message).not.toContain('s3cret')
  })
})

describe('the address of the database', () => {
  async function addressOf(content: string): Promise<string | undefined> {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'file')
    await writeFile(path, content)
    return (await withDatabaseUrl(loadConfig({ env: { DATABASE_URL_FILE: path } }))).databaseUrl
  }

  it('may be in a file, as it holds a password', async () => {
    expect(await addressOf('postgres://u:hunter2@h/d\n')).toBe('postgres://u:hunter2@h/d')
    const given = loadConfig({ env: { DATABASE_URL: 'postgres://u@h/d' } })
    expect(await withDatabaseUrl(given)).toEqual(given)
  })

  it('is refused, without showing it, when the file holds another thing', async () => {
    for (const content of ['mysql://u:hunter2@h/d', 'hunter2\nhunter2', '']) {
      const error: unknown = await addressOf(content).catch((thrown: unknown) => thrown)
      expect((error as Error).name).toBe('OperatorError')
      expect((error as Error).message).toMatch(/^DATABASE_URL_FILE is \S+, which /u)
      expect((error as Error).message).not.toContain('hunter2')
    }
  })
})
