/** A chat back end with the built pages: `node host.js <folder of the build>`. Prints its address. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { argv, stdout } from 'node:process'
import { attachPresence } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'
import { Server } from 'socket.io'

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' }
const folder = argv[2]

const http = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://127.0.0.1')
  readFile(join(folder, pathname)).then(
    (body) => response.setHeader('Content-Type', TYPES[extname(pathname)] ?? TYPES['.html']).end(body),
    () => response.writeHead(404).end(),
  )
})
const presence = attachPresence(new Server(http), {
  memberships: memoryMemberships({ conversations: [['plan', ['ana', 'ben']]] }),
  authenticate: (socket) => ({ userId: socket.handshake.auth.token }),
})
await presence.ready
http.listen(0, '127.0.0.1', () => stdout.write(`listening at http://127.0.0.1:${http.address().port}\n`))
