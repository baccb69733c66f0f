import { expect, test } from 'vitest'
import { connectClient, type TestClient } from '../support/clients.js'
import { startProxy } from '../support/proxy.js'
import { startVigie } from '../support/vigie.js'

const PING_INTERVAL_MS = 500
const PING_TIMEOUT_MS = 300
const GRACE_MS = 600
/** A dead line is seen after this at the latest … */
const SEEN_WITHIN_MS = PING_INTERVAL_MS + PING_TIMEOUT_MS + GRACE_MS
/** … and this is what a machine under load may add. A kernel that waits for TCP would take many minutes. */
const SLACK_MS = 5_000
const QUICK = {
  VIGIE_PING_INTERVAL_MS: String(PING_INTERVAL_MS),
  VIGIE_PING_TIMEOUT_MS: String(PING_TIMEOUT_MS),
  VIGIE_GRACE_MS: String(GRACE_MS),
  VIGIE_CLIENT_RECONNECT_MS: '200',
}

function isOnline(userId: string) {
  return ({ picture }: TestClient) => picture.user(userId)?.online === true
}

test('a line that goes dead without a word is seen within the ping deadline and the grace, and its client returns by itself', async () => {
  await using vigie = await startVigie(QUICK)
  await using tunnel = await startProxy(vigie.url)
  const [ana, ben, room] = await vigie.pair()
  using watcher = connectClient(vigie.url, ana.token)
  using traveller = connectClient(tunnel.url, ben.token)
  await watcher.until('Ben is online', isOnline(ben.userId))
  await traveller.ask('typing:start', { convId: room.conversationId })
  await watcher.until('Ben types', ({ picture }) => picture.typists(room.conversationId).includes(ben.userId))

  tunnel.freeze()
  await watcher.until(
    'Ben is offline and types no more',
    ({ picture }) =>
      picture.user(ben.userId)?.online === false && picture.typists(room.conversationId).length === 0,
    SEEN_WITHIN_MS + SLACK_MS,
  )
  expect(watcher.picture.user(ben.userId)).toEqual({ online: false, count: 0 })
  expect(watcher.picture.member(room.conversationId, ben.userId)).toEqual({ online: false, count: 0 })

  tunnel.thaw()
  await watcher.until('Ben is back', isOnline(ben.userId))
  expect(watcher.picture.user(ben.userId)).toEqual({ online: true, count: 1 })
  await traveller.until('his own picture is whole again', isOnline(ana.userId))
})

test('a line that breaks and is back within the grace shows nothing to others, count included', async () => {
  await using vigie = await startVigie()
  await using tunnel = await startProxy(vigie.url)
  const [ana, ben, room] = await vigie.pair()
  using watcher = connectClient(vigie.url, ana.token)
  using traveller = connectClient(tunnel.url, ben.token)
  await watcher.until('Ben is online', isOnline(ben.userId))
  // Others may hear of him a moment before he does: a line that is cut in between was never his.
  await traveller.until('he knows it', ({ connections }) => connections === 1)
  const before = watcher.events.length

  tunnel.cut()
  await traveller.until('he is back', ({ connections }) => connections === 2)
  // Typing takes the same way as presence: when it is here, a blink would be here too.
  await traveller.ask('typing:start', { convId: room.conversationId })
  await watcher.until('Ben types', ({ picture }) => picture.typists(room.conversationId).includes(ben.userId))
  const since = watcher.events.slice(before)
  expect(since).toEqual([
    { name: 'typing:start', payload: { convId: room.conversationId, userId: ben.userId }, argumentCount: 1 },
  ])
})

test('after kill -9 and a new start stock clients are back by themselves, and see each other', async () => {
  await using vigie = await startVigie(QUICK)
  const [ana, ben, room] = await vigie.pair()
  using one = connectClient(vigie.url, ana.token)
  using two = connectClient(vigie.url, ben.token)
  await one.until('Ben is online', isOnline(ben.userId))
  await two.until('he knows it', ({ connections }) => connections === 1)

  expect(await vigie.process.kill('SIGKILL')).toBe('SIGKILL')
  await one.until('the connection is lost', ({ socket }) => !socket.connected)
  await vigie.restart()

  await Promise.all([
    one.until(
      'Ana is back and sees Ben',
      (client) => client.connections === 2 && isOnline(ben.userId)(client),
    ),
    two.until(
      'Ben is back and sees Ana',
      (client) => client.connections === 2 && isOnline(ana.userId)(client),
    ),
  ])
  expect(one.picture.member(room.conversationId, ben.userId)).toEqual({ online: true, count: 1 })
  expect(one.picture.user(ana.userId)).toEqual({ online: true, count: 1 })
})
