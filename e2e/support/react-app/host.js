/** A chat back end with the built app: `node host.js <folder of the build>`. Prints its address. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { argv, stdout } from 'node:process'
import { attachPresence } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'
import { Server } from 'socket.io'
import { render } from './rendered/render.js'

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' }
const folder = argv[2]
let connections = 0
let url = ''

/** The page as it was built; for `/rendered`, with what a server can know of it. */
async function answer(path) {
  if (path === '/connections') return String(connections)
  if (path !== '/rendered') return readFile(join(folder, path === '/' ? 'index.html' : path), 'utf8')
  const page = await readFile(join(folder, 'index.html'), 'utf8')
  return page.replace('<div id="root"></div>', `<div id="root">${render(url)}</div>`)
}

const http = createServer((request, response) => {
  const { pathname } = new URL(request.url, url)
  answer(pathname).then(
    (body) => response.setHeader('Content-Type', TYPES[extname(pathname)] ?? TYPES['.html']).end(body),
    (error) => response.writeHead(500).end(String(error.stack)),
  )
})
const io = new Server(http)
const presence = attachPresence(io, {
  memberships: memoryMemberships({
    groups: [['team', ['ana', 'ben']]],
    conversations: [['plan', ['ana', 'ben']]],
  }),
  authenticate: (socket) => ({ userId: socket.handshake.auth.token }),
})
await presence.ready
io.engine.on('connection', () => connections++)
http.listen(0, '127.0.0.1', () => {
  url = `http://127.0.0.1:${http.address().port}`
  stdout.write(`listening at ${url}\n`)
})
