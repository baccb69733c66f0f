import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Tests run on the sources; what needs the build (the command line, the packages) starts child processes. */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^@vigie\/protocol$/, replacement: source('packages/protocol/src/index.ts') },
      { find: /^@vigie\/client$/, replacement: source('packages/client/src/index.ts') },
      { find: /^@vigie\/client\/audit$/, replacement: source('packages/client/src/audit.ts') },
      { find: /^@vigie\/client\/(\w+)$/, replacement: source('packages/client/src/$1/index.ts') },
      { find: /^@vigie\/server$/, replacement: source('packages/server/src/socketio/index.ts') },
      { find: /^@vigie\/server\/(\w+)$/, replacement: source('packages/server/src/$1/index.ts') },
    ],
  },
  test: {
    globalSetup: ['./test/global-postgres.ts'],
    // One more than there are processors: many tests wait for a process or a clock.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // `npm run check` holds that no test is elsewhere.
    include: ['{packages,apps,examples}/*/test/**/*.test.{ts,tsx}', 'e2e/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**', 'e2e/system/**'],
  },
})
