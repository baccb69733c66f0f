import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

test('the whole client, minified and gzipped, socket.io-client left out, is at most 9 kB', async () => {
  const entry = await measure('packages/client/dist/index.js', ['socket.io-client'])
  expect(entry.imports).toEqual(['socket.io-client'])
  expect(entry.exports).toEqual(['PresenceError', 'createPresenceClient'])
  expect(entry.bytes).toBeLessThanOrEqual(9_216)
})

test('the client that answers audits, minified and gzipped, socket.io-client left out, is at most 10,000 bytes', async () => {
  const entry = await measure('packages/client/dist/audit.js', ['socket.io-client'])
  expect(entry.imports).toEqual(['socket.io-client'])
  expect(entry.exports).toEqual(['createAuditedClient'])
  expect(entry.bytes).toBeLessThanOrEqual(10_000)
})

test('the hooks and components, minified and gzipped, React left out, are at most 3 kB and bring no second client', async () => {
  const entry = await measure('packages/client/dist/react/index.js', ['react', 'react/jsx-runtime'])
  expect(entry.imports.sort()).toEqual(['react', 'react/jsx-runtime'])
  expect(entry.exports).toContain('usePresence')
  expect(entry.code).not.toContain('presence:state')
  expect(entry.bytes).toBeLessThanOrEqual(3_072)
})

test('the demo’s page, with React and socket.io-client, loads at most 109,500 bytes of script, gzipped', async () => {
  const folder = join(ROOT, 'apps/web/dist/assets')
  const scripts = (await readdir(folder)).filter((name) => name.endsWith('.js'))
  const texts = await Promise.all(scripts.map((name) => readFile(join(folder, name))))
  const bytes = texts.reduce((sum, text) => sum + gzipSync(text).length, 0)
  console.info(`apps/web: ${bytes} bytes of script, gzipped.`)
  expect(scripts.length).toBeGreaterThan(0)
  expect(bytes).toBeLessThanOrEqual(109_500)
})

/** Bundles an entry as pages do. All that is exported is kept, whether a page uses it or not. */
async function measure(input: string, external: string[]) {
  const built = await build({
    root: ROOT,
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      modulePreload: false,
      target: 'es2022',
      rolldownOptions: { input, preserveEntrySignatures: 'strict', external },
    },
  })
  const chunks = (Array.isArray(built) ? built : [built]).flatMap((result) =>
    'output' in result ? result.output.flatMap((file) => (file.type === 'chunk' ? [file] : [])) : [],
  )
  const code = chunks.map((chunk) => chunk.code).join('')
  const bytes = gzipSync(code).length
  console.info(`${input}: ${bytes} bytes gzipped, ${code.length} characters before.`)
  const imports = chunks.flatMap((chunk) => chunk.imports)
  const exports = chunks.flatMap((chunk) => chunk.exports)
  return { bytes, code, imports, exports }
}
