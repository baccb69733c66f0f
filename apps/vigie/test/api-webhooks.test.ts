import { createApiClient } from '@vigie/server/http'
import { expect, it } from 'vitest'
import { ACT_KEY, BOTH_KEY, DEAD_LETTER, READ_KEY, startApi } from './api-server.js'

it('dead letters are shown to those who may read, and sent again by those who may act', async () => {
  const asked: unknown[] = []
  await using server = await startApi({
    webhooks: {
      async deadLetters(page) {
        asked.push(page)
        return [DEAD_LETTER]
      },
      async resend(id) {
        asked.push(id)
        return id === 'msg_1'
      },
    },
  })
  const reader = createApiClient({ url: server.url, key: READ_KEY })
  const actor = createApiClient({ url: server.url, key: ACT_KEY })
  expect(await reader.deadLetters()).toEqual([DEAD_LETTER])
  await reader.deadLetters({ limit: 5, before: 'msg_9' })
  await actor.resendDeadLetter('msg_1')
  expect(asked).toEqual([{ limit: 20, before: undefined }, { limit: 5, before: 'msg_9' }, 'msg_1'])
  await expect(actor.deadLetters()).rejects.toMatchObject({ code: 'scope_missing' })
  await expect(reader.resendDeadLetter('msg_1')).rejects.toMatchObject({ code: 'scope_missing' })
})

it('a dead letter that is not there is not found', async () => {
  await using server = await startApi()
  const client = createApiClient({ url: server.url, key: BOTH_KEY })
  await expect(client.resendDeadLetter('gone')).rejects.toMatchObject({
    code: 'not_found',
    message: 'There is no dead letter of this id.',
  })
})
