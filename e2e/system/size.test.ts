import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BYTES_MAX = 8_192

test('the whole client, minified and gzipped, socket.io-client left out, is at most 8 kB', async () => {
  const built = await build({
    root: ROOT,
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      modulePreload: false,
      target: 'es2022',
      rolldownOptions: {
        input: 'packages/client/dist/index.js',
        // All that is exported is kept, whether a page uses it or not.
        preserveEntrySignatures: 'strict',
        external: ['socket.io-client'],
      },
    },
  })
  const chunks = (Array.isArray(built) ? built : [built]).flatMap((result) =>
    'output' in result ? result.output.flatMap((file) => (file.type === 'chunk' ? [file] : [])) : [],
  )
  expect(chunks.map(({ imports }) => imports)).toEqual([['socket.io-client']])
  expect(chunks.map(({ exports }) => exports)).toEqual([['PresenceError', 'createPresenceClient']])
  const code = chunks.map((chunk) => chunk.code).join('')
  const bytes = gzipSync(code).length
  console.info(`@vigie/client: ${bytes} bytes gzipped, ${code.length} characters before.`)
  expect(bytes).toBeLessThanOrEqual(BYTES_MAX)
})
