import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { makeFolder } from '../src/make-folder.js'

const home = await mkdtemp(join(tmpdir(), 'vigie-folder-'))
afterAll(() => rm(home, { recursive: true }))

it('makes a folder and those above it, also where two do so at once, and leaves one that is there', async () => {
  const path = join(home, 'a', 'b', 'c')
  await Promise.all([makeFolder(path), makeFolder(path)])
  await writeFile(join(path, 'kept'), '')
  await makeFolder(path)
  expect((await stat(join(path, 'kept'))).isFile()).toBe(true)
})

it('says that a file of that name, or above it, is in the way', async () => {
  const file = join(home, 'file')
  await writeFile(file, '')
  await expect(makeFolder(file)).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeFolder(join(file, 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
})

it('fails, and does not try for ever, on a file system that makes no folders', async () => {
  // Where there is no /proc, as on macOS, the root of the system refuses the folder.
  await expect(makeFolder('/proc/vigie/data')).rejects.toThrow(/mkdir/)
})
