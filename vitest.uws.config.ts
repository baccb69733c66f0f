import { defineConfig } from 'vitest/config'
import units from './vitest.config.js'

/** The wire's tests on uWebSockets.js instead of Node's HTTP server and ws; `e2e/system/uws.test.ts` runs them. */
export default defineConfig({
  ...units,
  test: {
    ...units.test,
    include: ['packages/server/test/socketio/*.test.ts'],
    env: { VIGIE_TEST_ENGINE: 'uws' },
    globalSetup: [],
  },
})
