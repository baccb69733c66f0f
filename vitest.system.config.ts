import { defineConfig } from 'vitest/config'
import units from './vitest.config.js'

/** `npm run test:system`: processes that are killed, lines that go dead. One file at a time: each wants the machine. */
export default defineConfig({
  ...units,
  test: {
    ...units.test,
    include: ['e2e/system/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
