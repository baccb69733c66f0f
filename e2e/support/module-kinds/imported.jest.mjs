/** Jest's own ES modules, which it has behind a flag of Node's. */
import { PresenceError } from '@vigie/client'
import { createFakePresence } from '@vigie/client/testing'
import { attachPresence } from '@vigie/server'

test('the packages are imported', () => {
  expect(new PresenceError('kicked').retry).toBe('never')
  expect(createFakePresence({ online: ['ben'] }).presence('ben')).toMatchObject({ online: true })
  expect(attachPresence).toBeInstanceOf(Function)
})
