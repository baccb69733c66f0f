/** A host that Jest runs as CommonJS; a stock client and the SDK. */
const { createServer } = require('node:http')
const { once } = require('node:events')
const { Server } = require('socket.io')
const { createPresenceClient, PresenceError } = require('@vigie/client')
const { attachPresence } = require('@vigie/server')
const { memoryMemberships } = require('@vigie/server/memory')
const { migrationSql } = require('@vigie/server/postgres')

test('a client of the required packages hears of another', async () => {
  const http = createServer()
  const server = new Server(http)
  const presence = attachPresence(server, {
    memberships: memoryMemberships({ conversations: [['plan', ['ana', 'ben']]] }),
    authenticate: (socket) => ({ userId: socket.handshake.auth.token }),
  })
  await presence.ready
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')

  const url = `http://127.0.0.1:${http.address().port}`
  const [ana, ben] = ['ana', 'ben'].map((token) => createPresenceClient({ url, token }))
  const seen = new Promise((resolve) => {
    ana.subscribe((view) => view.isUserOnlineInConversation('plan', 'ben'), resolve)
  })
  ana.connect()
  ben.connect()
  expect(await seen).toBe(true)

  ana.close()
  ben.close()
  await presence.close()
  await server.close()
})

test('the migrations are found from where they are required', () => {
  expect(migrationSql()).toContain('vigie.migrations')
})

test('what the client throws is of the class that is required', async () => {
  const client = createPresenceClient({ url: 'http://127.0.0.1:1', token: 'ana' })
  await expect(client.leave()).rejects.toBeInstanceOf(PresenceError)
})
