import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../../packages/server/src/core/index.js'
import { writeHistory } from '../src/demo/history.js'
import { createLines } from '../src/demo/lines.js'
import {
  carryMessages,
  createMessages,
  KEPT_MAX,
  SEND_RATE,
  TEXT_MAX,
  type DemoMessage,
  type SendAnswer,
} from '../src/demo/messages.js'
import { seededRandom } from '../src/demo/scenes.js'
import { createWorld } from '../src/demo/world.js'

/** A host without presence: sockets are in the rooms that their `auth` says. */
async function office() {
  const http = createServer()
  const server = new Server(http)
  const messages = createMessages()
  const stopped: string[] = []
  const clock = { now: 0 }
  server.use((socket, next) => {
    const { userId, rooms } = socket.handshake.auth as { userId: string; rooms: string[] }
    socket.data = { userId }
    void socket.join(rooms.map((room) => `conv:${room}`))
    next()
  })
  const stopTyping = (userId: string, conversationId: string) => {
    stopped.push(`${userId} in ${conversationId}`)
  }
  carryMessages(server, { messages, stopTyping, log: silentLog, now: () => clock.now })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => server.close())
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const enter = async (userId: string, ...rooms: readonly string[]) => {
    const socket = io(url, { auth: { userId, rooms }, forceNew: true })
    onTestFinished(() => {
      socket.disconnect()
    })
    await new Promise<void>((resolve) => socket.on('connect', resolve))
    return {
      send: (payload: unknown) => socket.emitWithAck('message:send', payload) as Promise<SendAnswer>,
      hear: () => new Promise<DemoMessage>((resolve) => socket.once('message:new', resolve)),
    }
  }
  return { messages, stopped, enter, clock }
}

describe('messages of the demo', () => {
  it('reach everybody in the conversation, and end the typing of whoever wrote them', async () => {
    const { enter, stopped, messages } = await office()
    const ana = await enter('ana', 'cafe')
    const ben = await enter('ben', 'cafe')
    const heard = [ana.hear(), ben.hear()]
    const answer = await ana.send({ conversationId: 'cafe', text: '  hello ' })
    expect(answer).toMatchObject({ ok: true, message: { userId: 'ana', text: 'hello' } })
    const [message] = messages.of('cafe')
    expect(await Promise.all(heard)).toEqual([message, message])
    expect(stopped).toEqual(['ana in cafe'])
  })

  it('are refused from outside of the conversation, and when they are none', async () => {
    const { enter, messages } = await office()
    const ana = await enter('ana', 'cafe')
    expect(await ana.send({ conversationId: 'board', text: 'hello' })).toMatchObject({
      ok: false,
      error: { code: 'not_member' },
    })
    const wrong = [
      undefined,
      'hello',
      { conversationId: 'cafe', text: ' ' },
      { conversationId: 'cafe', text: 'x'.repeat(TEXT_MAX + 1) },
      { conversationId: 'cafe', text: 'hello', userId: 'ben' },
    ]
    for (const payload of wrong) {
      expect(await ana.send(payload)).toMatchObject({ ok: false, error: { code: 'invalid_payload' } })
    }
    expect([...messages.of('cafe'), ...messages.of('board')]).toEqual([])
  })

  it('are refused above the rate of one connection, which somebody else’s does not count for', async () => {
    const { enter, messages, clock } = await office()
    const [ana, ben] = [await enter('ana', 'cafe'), await enter('ben', 'cafe')]
    const sendAll = (count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, index) =>
          ana.send({ conversationId: 'cafe', text: String(index) }),
        ),
      )
    const answers = await sendAll(SEND_RATE.burst + 3)
    expect(answers.map(({ ok }) => ok)).toEqual([
      ...Array.from({ length: SEND_RATE.burst }, () => true),
      ...[false, false, false],
    ])
    expect(answers.at(-1)).toMatchObject({ error: { code: 'rate_limited' } })
    expect(messages.of('cafe')).toHaveLength(SEND_RATE.burst)
    expect(await ben.send({ conversationId: 'cafe', text: 'hello' })).toMatchObject({ ok: true })

    clock.now += 2_000 / SEND_RATE.perSecond
    expect((await sendAll(3)).map(({ ok }) => ok)).toEqual([true, true, false])
  })

  it('are kept up to a bound for each conversation', () => {
    const messages = createMessages(() => 0)
    for (let index = 0; index < KEPT_MAX + 3; index++) {
      messages.add({ conversationId: 'cafe', userId: 'ana', text: String(index) })
    }
    expect(messages.of('cafe')).toHaveLength(KEPT_MAX)
    expect(messages.of('cafe')[0]?.text).toBe('3')
  })

  it('have an order, also when they are written in the same millisecond', () => {
    const messages = createMessages(() => 5)
    const [one, two] = ['a', 'b'].map((text) => messages.add({ conversationId: 'cafe', userId: 'ana', text }))
    expect(two?.sentAt).toBeGreaterThan(one?.sentAt ?? 0)
  })
})

describe('what was said before the doors opened', () => {
  const world = createWorld()
  const messages = createMessages()
  const now = Date.UTC(2026, 0, 1)
  writeHistory(messages, world, now)

  it('is in every conversation, by its members, in order, and in the past', () => {
    for (const { conversationId, members } of world.conversations) {
      const said = messages.of(conversationId)
      expect(said.length, conversationId).toBeGreaterThan(0)
      expect(said.every(({ userId }) => members.includes(userId))).toBe(true)
      expect(said.every(({ sentAt }) => sentAt < now)).toBe(true)
      expect(said.map(({ sentAt }) => sentAt)).toEqual(
        [...said.map(({ sentAt }) => sentAt)].sort((a, b) => a - b),
      )
    }
  })

  it('puts no word into the mouth of somebody whom a visitor plays, but between two of them', () => {
    const people = new Set(world.people.map(({ userId }) => userId))
    const rooms = world.conversations.filter(({ kind }) => kind !== 'direct')
    const said = rooms.flatMap(({ conversationId }) => messages.of(conversationId))
    expect(said.filter(({ userId }) => people.has(userId))).toEqual([])
  })
})

describe('what the bots say', () => {
  it('is never the same twice in a row', () => {
    const lines = createLines(seededRandom(1))
    for (const kind of ['company', 'team', 'project', 'direct'] as const) {
      const said = Array.from({ length: 40 }, () => lines.next(kind))
      expect(said.every((line, place) => line !== '' && line !== said[place + 1])).toBe(true)
    }
  })
})
