import { createServer } from 'node:http'
import { once } from 'node:events'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../../packages/server/src/core/index.js'
import { writeHistory } from '../src/demo/history.js'
import { openJournal } from '../src/demo/journal.js'
import { createTalk, SCRIPTS, turnsOf } from '../src/demo/lines.js'
import {
  carryMessages,
  createMessages,
  KEPT_MAX,
  KEY_MAX,
  SEND_RATE,
  TEXT_MAX,
  type DemoMessage,
  type SendAnswer,
} from '../src/demo/messages.js'
import { seededRandom } from '../src/demo/scenes.js'
import { LANGS } from '../src/demo/lang.js'
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

  it('are one message when a page sends it again because it heard no answer', async () => {
    const { enter, messages } = await office()
    const [ana, ben] = [await enter('ana', 'cafe'), await enter('ben', 'cafe')]
    const payload = { conversationId: 'cafe', text: 'hello', key: 'k1' }
    const [first, again] = [await ana.send(payload), await ana.send(payload)]
    expect(again).toEqual(first)
    expect(messages.of('cafe')).toHaveLength(1)
    // The key is the sender's own: somebody else's of the same name is another message.
    expect(await ben.send(payload)).toMatchObject({ ok: true, message: { userId: 'ben' } })
    expect(messages.of('cafe')).toHaveLength(2)
    expect(await ana.send({ ...payload, key: 'x'.repeat(KEY_MAX + 1) })).toMatchObject({ ok: false })
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

const world = createWorld()
const messages = createMessages()
const now = Date.UTC(2026, 0, 1)
writeHistory(messages, world, now)

describe('what was said, after the server was started again', () => {
  async function folder(): Promise<string> {
    const dataDir = await mkdtemp(join(tmpdir(), 'vigie-journal-'))
    onTestFinished(() => rm(dataDir, { recursive: true }))
    return dataDir
  }

  it('is the same, in the same order, and new messages come after it', async () => {
    const dataDir = await folder()
    const journal = await openJournal(dataDir, silentLog)
    const before = createMessages(() => 50, journal)
    for (const text of ['a', 'b']) before.add({ conversationId: 'cafe', userId: 'ana', text, key: text })
    await journal.flushed()
    const after = createMessages(() => 0, await openJournal(dataDir, silentLog))
    expect(after.of('cafe')).toEqual(before.of('cafe'))
    // A page that heard no answer before the end sends again.
    expect(after.add({ conversationId: 'cafe', userId: 'ana', text: 'b', key: 'b' })).toEqual(
      before.of('cafe')[1],
    )
    expect(after.add({ conversationId: 'cafe', userId: 'ana', text: 'c' }).sentAt).toBeGreaterThan(
      before.of('cafe')[1]?.sentAt ?? Infinity,
    )
  })

  it('survives half a line, which a killed server leaves, and has a bound', async () => {
    const dataDir = await folder()
    const journal = await openJournal(dataDir, silentLog)
    const messages = createMessages(() => 0, journal)
    for (let index = 0; index < KEPT_MAX + 2; index++) {
      messages.add({ conversationId: 'cafe', userId: 'ana', text: String(index) })
    }
    await journal.flushed()
    await appendFile(join(dataDir, 'demo-messages.jsonl'), '{"id":"m","conversa')
    const { kept } = await openJournal(dataDir, silentLog)
    expect(kept).toEqual(messages.of('cafe'))
  })

  it('is not written over by what was said before the doors opened first', async () => {
    const dataDir = await folder()
    const journal = await openJournal(dataDir, silentLog)
    const first = createMessages(() => 0, journal)
    writeHistory(first, world, now)
    await journal.flushed()
    const second = createMessages(() => 0, await openJournal(dataDir, silentLog))
    writeHistory(second, world, now + 60_000)
    for (const { conversationId } of world.conversations) {
      expect(second.of(conversationId)).toEqual(first.of(conversationId))
    }
  })
})

describe('what was said before the doors opened', () => {
  it('is another one in each direct conversation of one person', () => {
    for (const { userId } of [...world.people, ...world.colleagues]) {
      const mine = world.conversations.filter(
        ({ kind, isBegun, members }) => kind === 'direct' && isBegun && members.includes(userId),
      )
      const texts = mine.map(({ conversationId }) => messages.of(conversationId)[0]?.text)
      expect([userId, new Set(texts).size]).toEqual([userId, mine.length])
    }
  })

  it('is in every conversation that is begun, by its members, in order, and in the past', () => {
    for (const { conversationId, members, isBegun } of world.conversations) {
      const said = messages.of(conversationId)
      expect(said.length > 0, conversationId).toBe(isBegun)
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
  const cast = ['maja', 'theo', 'noor', 'sana']
  const room = (lang: 'en' | 'fr', kind: 'company' | 'team' | 'project') =>
    ({ conversationId: `${lang}-${kind}`, kind, lang }) as const
  const listen = (seed: number, kind: 'company' | 'team' | 'project', count: number) => {
    const random = seededRandom(seed)
    const talk = createTalk(random)
    return Array.from({ length: count }, () =>
      talk.next(room('en', kind), cast[Math.floor(random() * cast.length)] ?? '', cast),
    )
  }

  it('is a hundred lines and more in the room that all share, in each language', () => {
    for (const lang of LANGS) {
      expect(SCRIPTS[lang].company.flatMap(turnsOf).length).toBeGreaterThanOrEqual(100)
    }
  })

  it('comes again only after half of all threads, and in another order each time', () => {
    for (const kind of ['company', 'team', 'project'] as const) {
      const threads = SCRIPTS.en[kind]
      const firstTurns = new Set(threads.map((thread) => turnsOf(thread)[0]?.text))
      const turns = threads.flatMap(turnsOf).length
      const starts = listen(1, kind, 3 * turns).flatMap((said) =>
        said && firstTurns.has(said.text) ? said.text : [],
      )
      expect(new Set(starts).size).toBe(threads.length)
      const distances = starts.flatMap((text, place) => {
        const next = starts.indexOf(text, place + 1)
        return next === -1 ? [] : next - place
      })
      expect(distances.length).toBeGreaterThan(0)
      expect(Math.min(...distances)).toBeGreaterThanOrEqual(Math.floor(threads.length / 2))
    }
    expect(listen(1, 'company', 30)).not.toEqual(listen(2, 'company', 30))
  })

  it('is a thread of several turns, each part in it by one colleague', () => {
    const [thread = ''] = SCRIPTS.en.company.filter((each) =>
      each.includes(listen(3, 'company', 1)[0]?.text ?? ''),
    )
    const turns = turnsOf(thread)
    const said = listen(3, 'company', turns.length)
    expect(said.map((each) => each?.text)).toEqual(turns.map(({ text }) => text))
    const parts = turns.map(({ speaker }, place) => `${speaker} ${said[place]?.userId ?? ''}`)
    expect(new Set(parts).size).toBe(new Set(turns.map(({ speaker }) => speaker)).size)
    expect(new Set(said.map((each) => each?.userId)).size).toBe(new Set(parts).size)
  })

  it('ends a thread of which a speaker has left, and asks nothing of an empty room', () => {
    const talk = createTalk(seededRandom(4))
    const first = talk.next(room('en', 'company'), 'maja', cast)
    const rest = cast.filter((userId) => userId !== first?.userId)
    for (let turn = 0; turn < 40; turn++) {
      const said = talk.next(room('en', 'company'), rest[turn % rest.length] ?? '', rest)
      expect(rest).toContain(said?.userId)
    }
    expect(talk.next(room('en', 'team'), 'maja', ['maja'])).toBeUndefined()
  })

  it('answers a question as a question', () => {
    const talk = createTalk(seededRandom(5))
    expect(SCRIPTS.fr.answerToQuestion).toContain(talk.answer('fr', 'Tu viens ? '))
    expect(SCRIPTS.en.answer).toContain(talk.answer('en', 'I am late.'))
  })

  it('names no time of day, and draws nothing that a machine without such a font leaves blank', () => {
    const all = [
      ...LANGS.flatMap((lang) => Object.values(SCRIPTS[lang]).flat()),
      ...world.conversations.flatMap(({ conversationId }) =>
        messages.of(conversationId).map(({ text }) => text),
      ),
    ]
    const timed =
      /\b(morning|noon|lunch|afternoon|evening|tonight|matin|midi|déjeuner|après-midi|soir)\b|\d\d:\d\d/iu
    expect(all.filter((text) => timed.test(text) || /\p{Extended_Pictographic}/u.test(text))).toEqual([])
    expect(LANGS.flatMap((lang) => Object.keys(SCRIPTS[lang])).length).toBe(12)
  })
})
