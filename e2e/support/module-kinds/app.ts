/** Every entry of the packages, with their types, in one program; `module-kinds.test.ts` compiles it in each of TypeScript's modes. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { Server } from 'socket.io'
import { createPresenceClient, PresenceError, type PresenceView } from '@vigie/client'
import { PresenceProvider, usePresence } from '@vigie/client/react'
import { createFakePresence } from '@vigie/client/testing'
import { ERRORS, type ErrorCode } from '@vigie/protocol'
import { attachPresence, type Memberships } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'
import { migrationSql } from '@vigie/server/postgres'
import { createTruth } from '@vigie/server/testing'

const say = (text: string): boolean => process.stdout.write(`${text}\n`)

function Ben() {
  return createElement('p', null, usePresence('ben').status)
}

async function main(): Promise<void> {
  const http = createServer()
  const server = new Server(http)
  const memberships: Memberships = memoryMemberships({ conversations: [['plan', ['ana', 'ben']]] })
  const presence = attachPresence(server, {
    memberships,
    authenticate: (socket) => ({ userId: String(socket.handshake.auth.token) }),
  })
  await presence.ready
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`

  const ana = createPresenceClient({ url, token: () => 'ana' })
  const ben = createPresenceClient({ url, token: () => 'ben' })
  const benIsThere = (view: PresenceView) => view.isUserOnlineInConversation('plan', 'ben')
  const seen = new Promise<void>((resolve) => {
    ana.subscribe(benIsThere, (is) => {
      if (is) resolve()
    })
  })
  ana.connect()
  ben.connect()
  await seen
  say('ana sees ben')
  ana.close()
  ben.close()
  await presence.close()
  await server.close()

  const code: ErrorCode = 'kicked'
  say(`${new PresenceError(code) instanceof PresenceError} ${ERRORS[code].retry}`)
  say(renderToString(createElement(PresenceProvider, { client: createFakePresence() }, createElement(Ben))))
  say(`${migrationSql().includes('vigie')} ${typeof createTruth}`)
}

main().catch((error: unknown) => {
  process.stdout.write(`${String(error)}\n`)
  process.exitCode = 1
})
