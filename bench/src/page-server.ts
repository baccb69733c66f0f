/** The server process of `page`: Vigie with its options at their defaults, and the chat page. `node page-server.js` */
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { attachPresence } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'
import { Server } from 'socket.io'
import { createMessages } from '../../apps/vigie/dist/demo/messages.js'
import { readDemoPages } from '../../apps/vigie/dist/demo/demo-pages.js'
import { demoRoutes } from '../../apps/vigie/dist/demo/routes.js'
import { listen, processorMs } from './listen.js'
import { createPageWorld, SHOWN_ROOM } from './page-world.js'
import { answer } from './remote.js'
import { SECRET, signToken, verifyToken } from './token.js'
import { userName } from './world.js'

/** What stands in the room that is shown. */
const MESSAGES = 50

export interface PageServerApi {
  start(): Promise<number>
  /** Processor time so far, user and system, in milliseconds. */
  cpuMs(): number
}

const world = createPageWorld()
const messages = createMessages()
for (let count = 0; count < MESSAGES; count++) {
  messages.add({ conversationId: SHOWN_ROOM, userId: userName(count % 7), text: `What was said, ${count}.` })
}
const routes = demoRoutes({
  world,
  messages,
  pages: await readDemoPages(),
  tokens: { sign: signToken, userOf: verifyToken },
})
const http = createServer((request, response) => void getRequestListener(routes.fetch)(request, response))
const presence = attachPresence(new Server(http), {
  auth: { secret: SECRET },
  memberships: memoryMemberships({
    groups: world.groups.map(({ groupId, members }) => [groupId, members] as const),
    conversations: world.conversations.map(
      ({ conversationId, members }) => [conversationId, members] as const,
    ),
  }),
})

answer<PageServerApi>({
  async start() {
    await presence.ready
    return listen(http)
  },
  cpuMs: processorMs,
})
