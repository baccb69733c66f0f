import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { io } from 'socket.io-client'
import { expect, it, onTestFinished } from 'vitest'
import { freshDatabase } from '../../../test/database.js'

const SERVER = fileURLToPath(new URL('../dist/server.js', import.meta.url))

/** The built example on a free port. Disposing ends it as an operator would; its clients are still connected. */
async function startExample(databaseUrl: string): Promise<AsyncDisposable & { readonly url: string }> {
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: databaseUrl,
      JWT_SECRET: 'a-secret-of-thirty-two-characters',
      PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /listening at (http:[^"]+)/u.exec(line)?.[1]
      if (found !== undefined) resolve(found.replace('[::1]', 'localhost'))
    })
    void ended.then(() => {
      reject(new Error('the example ended before it listened'))
    })
  })
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
    },
  }
}

async function call(
  url: string,
  body?: unknown,
  token?: string,
): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(url, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  })
  return { status: response.status, answer: await response.json() }
}

it('stores a message, sends it to the room that presence keeps, and ends the typing of its author', async () => {
  await using database = await freshDatabase()
  // Ended before its database is dropped: a server that loses it takes its time to give up.
  await using server = await startExample(database.url)
  const { url } = server
  await database.sql`insert into conversation_users values ('lobby', 'alice'), ('lobby', 'bob')`
  const [alice, bob] = await Promise.all(
    ['alice', 'bob'].map(async (userId) => {
      const { answer } = await call(`${url}/login`, { userId })
      const { token } = answer as { token: string }
      const socket = io(url, { auth: { token }, forceNew: true })
      onTestFinished(() => void socket.disconnect())
      await new Promise<void>((resolve) => socket.once('connect', resolve))
      return { token, socket }
    }),
  )
  if (!alice || !bob) throw new Error('two were asked for')
  const hear = (event: string) => new Promise((resolve) => bob.socket.once(event, resolve))
  const typing = { convId: 'lobby', userId: 'alice' }
  const start = hear('typing:start')
  alice.socket.emit('typing:start', { convId: 'lobby' })
  expect(await start).toEqual(typing)

  const [message, stop] = [hear('message:new'), hear('typing:stop')]
  const sent = await call(`${url}/messages`, { conversationId: 'lobby', text: 'hello' }, alice.token)
  expect(sent.status).toBe(201)
  expect(await message).toMatchObject({ user_id: 'alice', body: 'hello' })
  expect(await stop).toEqual(typing)

  const mine = await call(`${url}/conversations`, undefined, alice.token)
  // In the order in which they came, which is not this test's to say.
  const [lobby] = mine.answer as { id: string; online: string[] }[]
  expect(lobby).toEqual({ id: 'lobby', online: expect.arrayContaining(['alice', 'bob']) as string[] })
  expect((await call(`${url}/messages`, { conversationId: 'other', text: 'x' }, alice.token)).status).toBe(
    404,
  )
  expect((await call(`${url}/conversations`)).status).toBe(401)
})
