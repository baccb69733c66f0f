import { membershipsContract } from '@vigie/server/testing'
import { describe, it } from 'vitest'
import { openHarness } from './harness.js'

describe.each([
  ['url', 'text'],
  ['postgres', 'uuid'],
  ['postgres', 'integer'],
  ['pg', 'text'],
  ['pg', 'integer'],
] as const)('memberships in PostgreSQL through %s with %s ids', (driver, type) => {
  for (const { title, run } of membershipsContract(() => openHarness(driver, type))) it(title, run)
})
