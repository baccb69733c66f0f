import { beforeAll, describe, expect, test } from 'vitest'
import { connectClient } from '../support/clients.js'
import { installPythonClient, startPythonClient } from '../support/python.js'
import { startVigie } from '../support/vigie.js'

/** A start of the server and of Python, on a busy machine. */
const SLOW_MS = 60_000
/** Debian's packages may have to be fetched first. */
const INSTALL_TIMEOUT_MS = 300_000

beforeAll(installPythonClient, INSTALL_TIMEOUT_MS)

/** A handler of one parameter throws on any other number of arguments, and that ends the client. */
describe('a client in another language, with handlers of one parameter', { timeout: SLOW_MS }, () => {
  test('hears who is online and who types, with exactly the fields of protocol 1', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using python = startPythonClient(vigie.url, ana.token)
    await python.waitFor('connect')

    using stock = connectClient(vigie.url, ben.token)
    const update = await python.waitFor('presence:update', isAbout(ben.userId))
    expect(update.data).toEqual({ userId: ben.userId, online: true, count: 1 })
    const inRoom = (data: unknown) => isAbout(ben.userId)(data) && isIn(room.conversationId)(data)
    const conversation = await python.waitFor('presence:conversation', inRoom)
    expect(conversation.data).toEqual({
      userId: ben.userId,
      online: true,
      count: 1,
      conversationId: room.conversationId,
    })

    expect(await stock.ask('typing:start', { convId: room.conversationId })).toEqual({ ok: true })
    const start = await python.waitFor('typing:start')
    expect(start.data).toEqual({ convId: room.conversationId, userId: ben.userId })
    expect(await stock.ask('typing:stop', { convId: room.conversationId })).toEqual({ ok: true })
    const stop = await python.waitFor('typing:stop')
    expect(stop.data).toEqual({ convId: room.conversationId, userId: ben.userId })
  })

  test('types, is answered, and is seen leaving at once when it says so', async () => {
    // Whoever is seen offline here has left: waiting for the grace would take ten minutes.
    await using vigie = await startVigie({ VIGIE_GRACE_MS: '600000', VIGIE_REATTACH_GRACE_MS: '600000' })
    const [ana, ben, room] = await vigie.pair()
    using stock = connectClient(vigie.url, ben.token)
    await using python = startPythonClient(vigie.url, ana.token)
    await stock.until('Ana is online', ({ picture }) => picture.user(ana.userId)?.online === true)

    python.emit('typing:start', { convId: room.conversationId })
    expect((await python.waitFor('ack')).data).toEqual({ ok: true })
    await stock.until('Ana types', ({ picture }) => picture.typists(room.conversationId).includes(ana.userId))

    // This library's own `disconnect` closes the connection before its packet has gone: only `presence:leave` says it.
    python.emit('presence:leave', {})
    await stock.until('Ana is offline and types no more', ({ picture }) => {
      const isOffline = picture.member(room.conversationId, ana.userId)?.online === false
      return isOffline && picture.typists(room.conversationId).length === 0
    })
  })

  test('is told why, by a code, when it may not come in or may not type', async () => {
    await using vigie = await startVigie()
    const [ana] = await vigie.pair()
    await using stranger = startPythonClient(vigie.url, `${ana.token}x`)
    const refusal = await stranger.waitFor('connect_error')
    expect(refusal.data).toEqual([
      expect.objectContaining({ data: expect.objectContaining({ code: 'token_invalid' }) }),
    ])

    await using python = startPythonClient(vigie.url, ana.token)
    await python.waitFor('connect')
    python.emit('typing:start', { convId: 'no-such-conversation' })
    const answer = await python.waitFor('ack')
    expect(answer.data).toEqual({ ok: false, error: { code: 'not_member', message: expect.any(String) } })
  })
})

test('a client of Engine.IO 3, as older libraries are, gets HTTP 400', { timeout: SLOW_MS }, async () => {
  await using vigie = await startVigie()
  const answer = async (protocol: number) =>
    (await fetch(`${vigie.url}/socket.io/?EIO=${protocol}&transport=polling`)).status
  expect([await answer(3), await answer(4)]).toEqual([400, 200])
})

function isAbout(userId: string) {
  return (data: unknown) => (data as { userId: string }).userId === userId
}

function isIn(conversationId: string) {
  return (data: unknown) => (data as { conversationId: string }).conversationId === conversationId
}
