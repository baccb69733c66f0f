import { defineConfig } from 'vitest/config'
import units from './vitest.config.js'

/**
 * The wire's tests on uWebSockets.js, as `io.attachApp` has it, instead of Node's HTTP server and ws.
 * `e2e/system/uws.test.ts` runs them, and says which are left out and why.
 */
export default defineConfig({
  ...units,
  test: {
    ...units.test,
    include: ['packages/server/test/socketio/*.test.ts', 'e2e/system/fuzz.test.ts'],
    env: { VIGIE_TEST_ENGINE: 'uws' },
    globalSetup: [],
    testTimeout: 120_000,
  },
})
