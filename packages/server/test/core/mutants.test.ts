import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fc from 'fast-check'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'
import type { createEngine } from '../../src/core/index.js'
import { play } from '../../src/testing/history.js'
import type { Tally } from '../../src/testing/steps.js'
import { allHistories, worldSettings } from '../support/histories.js'

interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly isCounted?: keyof Tally
}

/** Each is a mistake that somebody could make in the engine; 2,000 random histories must notice it. */
const MUTANTS: readonly Mutant[] = [
  {
    name: 'grace ignored',
    file: 'sessions.ts',
    from: 'const ownGraceMs = Math.max(session.backgroundGraceMs ?? graceMs, atLeastMs)',
    to: 'const ownGraceMs = 0 * Math.max(session.backgroundGraceMs ?? graceMs, atLeastMs)',
  },
  {
    name: 'count kept as a counter',
    file: 'presence.ts',
    from: 'const after = derivePresence(person)',
    to: `const derived = derivePresence(person)
  const size = person.sessions.length
  const step = size > (person as any).seen ? 1 : size < (person as any).seen ? -1 : 0
  ;(person as any).seen = size
  const count = before.count === 0 ? derived.count : before.count + step
  const after = { online: count > 0, count }`,
  },
  {
    name: 'a roster that is not refreshed',
    file: 'memberships.ts',
    from: 'setRoster(world, room, names)',
    to: 'if (isCounted || was.length === 0 || names.length === 0) setRoster(world, room, names)',
  },
  {
    name: 'an edge with one end',
    file: 'rooms.ts',
    from: 'person.memberOf = person.memberOf.filter((other) => other !== room)',
    to: 'void room',
  },
  {
    name: 'an edge with the other end only',
    file: 'rooms.ts',
    from: 'if (memberOf.length === 0) person.memberOf = [room]',
    to: 'if (!ownRooms) return\n  if (memberOf.length === 0) person.memberOf = [room]',
  },
  {
    name: 'one list of rooms where a roster disagrees',
    file: 'rooms.ts',
    from: 'if (rooms && isSameSet(world, person.memberOf, rooms))',
    to: 'if (rooms && rooms.length === person.memberOf.length)',
  },
  {
    name: 'one list of rooms that is changed in place',
    file: 'rooms.ts',
    from: 'else if (ownRooms) person.memberOf = memberOf.concat(room)',
    to: '',
  },
  {
    name: 'a snapshot that reads own rows instead of edges',
    file: 'visibility.ts',
    from: 'own.every((room) => isMember(person, room))',
    to: 'own.every((room) => isMember(person, room) || true)',
  },
  {
    name: 'a snapshot that reads own rows alone',
    file: 'visibility.ts',
    from: 'return [...mine, ...person.memberOf.filter((room) => !own.includes(room))]',
    to: 'return mine',
  },
  {
    name: 'a shortcut that skips visibility',
    file: 'protocol-2.ts',
    from: 'if (news?.allSee && !session.pending?.rosters && subject',
    to: 'if (news?.allSee && subject',
  },
  {
    name: 'a local member who stays in a room that they left',
    file: 'rooms.ts',
    from: `    room.locals = withoutItem(room.locals, person)
    person.rowsAt`,
    to: `    person.rowsAt`,
  },
  {
    name: 'no check at write time',
    file: 'protocol-1.ts',
    from: 'const view = subject ? viewOf(session, subject) : NO_VIEW',
    to: 'const view = session.pending?.rosters ? viewThen(session, userId, subject) : subject ? viewOf(session, subject) : NO_VIEW',
  },
  {
    name: 'no check at write time in diffs',
    file: 'protocol-2.ts',
    from: 'const isSeen = subject !== undefined && sees(session, subject)',
    to: 'const isSeen = subject !== undefined && sawThen(session, userId, subject)\n  void sees',
  },
  {
    name: 'a changed roster is not told',
    file: 'memberships.ts',
    from: '      noteRoom(world, session, room)\n      if (isSwitching)',
    to: '      if (isSwitching)',
  },
  {
    name: 'who was in a room before its members changed is not noted',
    file: 'memberships.ts',
    from: '      noteRoster(world, session, room, before)\n',
    to: '',
  },
  {
    name: 'what changes a second time before it is written counts',
    file: 'pending.ts',
    from: 'if (pending.rosters.has(room)) return\n',
    to: '',
  },
  {
    name: 'a room in count mode says nothing of who is on a screen',
    file: 'memberships.ts',
    from: `  for (const session of world.watchers.get(person.id) ?? []) {
    if (session.user === person || isMember(session.user, room)) noteSight(world, session, person)
  }
`,
    to: '',
  },
  {
    name: 'a disagreement is not looked at again',
    file: 'memberships.ts',
    from: "if (rooms.length > 0) world.effects.push({ type: 'reread'",
    to: "if (rooms.length < 0) world.effects.push({ type: 'reread'",
    // The rows are read in the end in any case: that the effect comes is a count.
    isCounted: 'reread',
  },
  {
    name: 'a first snapshot has what was said of somebody before',
    file: 'snapshots.ts',
    from: 'if (place !== undefined) snapshot.counts[place] = countOf(person)',
    to: 'if (place === undefined) continue',
  },
  {
    name: 'everybody hears what was said of somebody before',
    file: 'snapshots.ts',
    from: '  person.count = undefined\n',
    to: '',
  },
  {
    name: 'a resume forgets changed rows',
    file: 'rooms.ts',
    from: `    person.rowsAt = world.position
    dropUnneeded`,
    to: `    dropUnneeded`,
  },
  {
    name: 'a resume forgets changed rosters',
    file: 'memberships.ts',
    from: '  roomChanged(world, room)\n  room.rosterAt = world.position\n',
    to: '',
  },
  {
    name: 'a room is told as it was',
    file: 'event-cache.ts',
    from: 'room.changedAt = world.position\n  room.snapshot = undefined',
    to: 'room.changedAt = world.position',
  },
  {
    name: 'a resume forgets presence',
    file: 'presence.ts',
    from: '    person.presenceAt = world.position\n',
    to: '',
  },
  {
    name: 'lease not renewed',
    file: 'typing.ts',
    from: 'world.deadlines.set(lease, world.now + world.settings.typingLeaseMs)\n  if (session.typing) {',
    to: 'if (!session.typing) world.deadlines.set(lease, world.now + world.settings.typingLeaseMs)\n  if (session.typing) {',
  },
  {
    name: 'typing goes on in a room that its typist has left',
    file: 'memberships.ts',
    from: 'if (!willBe.has(typist)) stopTyping(world, typist, room)',
    to: 'void willBe',
  },
  {
    name: 'retraction forgotten',
    file: 'protocol-1.ts',
    from: 'events.push(goneConversation(world, userId, id))',
    to: 'void goneConversation',
  },
  {
    name: 'typing not ended by a loss',
    file: 'sessions.ts',
    from: '  endTyping(world, session)\n  if (session.watched) watch(world',
    to: '  if (session.watched) watch(world',
  },
  {
    name: 'no adoption',
    file: 'sessions.ts',
    from: 'if (deviceId !== undefined) return undefined\n  return oldestLost(user, isAnonymous)',
    to: 'return deviceId === undefined ? undefined : undefined',
  },
  {
    name: 'a state that changes back is told',
    file: 'protocol-1.ts',
    from: 'return differs(saw ? told : OFFLINE, sees ? now : OFFLINE)',
    to: 'return saw || differs(OFFLINE, sees ? now : OFFLINE)',
  },
  {
    name: 'a lost node counts for ever',
    file: 'presence.ts',
    from: 'node.isLost = true\n  world.deadlines.set(',
    to: 'node.isLost = true\n  if (world.now < 0) world.deadlines.set(',
  },
  {
    name: 'a grace ends while people are held back',
    file: 'sessions.ts',
    from: '} else if (!putOff(world, session)) {',
    to: '} else if (putOff !== undefined) {',
  },
  {
    name: 'the grace of a lost node ends while people are held back',
    file: 'presence.ts',
    from: 'if (putOff(world, node)) return',
    to: 'void putOff',
  },
  {
    name: 'a grace is put off for ever',
    file: 'grace.ts',
    from: 'world.settings.admissionWaitMs - lost.putOffMs',
    to: 'world.settings.admissionWaitMs',
  },
  {
    name: 'a person whom nothing needs is kept',
    file: 'people.ts',
    from: 'world.people.delete(person.id)',
    to: 'void person',
  },
  {
    name: 'an explanation that skips visibility',
    file: 'explain.ts',
    from: 'live.some((each) => sees(each, subject))',
    to: 'named.length + large.length > 0',
  },
  {
    name: 'an explanation of what waits that skips changed rosters',
    file: 'pending.ts',
    from: 'if (!news && !(pending?.rosters && affectedBy(session).has(userId))) return false',
    to: 'if (!news) return false',
  },
  {
    name: 'an explanation that takes all news for something that will be told',
    file: 'pending.ts',
    from: 'return newCount(world, session, userId, news) !== undefined',
    to: 'return true',
  },
  {
    name: 'a session that returned is said to have replaced another',
    file: 'sessions.ts',
    from: "older.state === 'live' ? 'replaced' : 'returned'",
    to: "'replaced'",
  },
  {
    name: 'the end of a grace is said to be a loss',
    file: 'sessions.ts',
    from: "removeFor(world, session, 'grace_over')",
    to: "removeFor(world, session, 'lost')",
  },
  {
    name: 'a loss is said to be anything else',
    file: 'sessions.ts',
    from: "else markLost(world, session, 'lost')",
    to: "else markLost(world, session, 'left')",
  },
  {
    name: 'the end of a lost node is not told',
    file: 'presence.ts',
    from: "settleRemote(world, user, 'node_lost')",
    to: 'settle(world, user)',
  },
  {
    name: 'a transition says what others saw before',
    file: 'presence.ts',
    from: '  settleTransitions(world, person)\n  // Online by',
    to: '  // Online by',
  },
]

const core = fileURLToPath(new URL('../../src/core/', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/mutants/', import.meta.url))

/** The engine with one passage exchanged, compiled by itself beside the real one. */
async function loadMutant(mutant?: Mutant): Promise<typeof createEngine> {
  const name = mutant?.name.replaceAll(' ', '-') ?? 'none'
  const folder = join(cache, `${name}-${process.pid}`)
  await mkdir(folder, { recursive: true })
  for (const file of await readdir(core)) {
    if (!file.endsWith('.ts')) continue
    let source = await readFile(join(core, file), 'utf8')
    if (file === mutant?.file) {
      expect(source.split(mutant.from).length, `"${mutant.from}" stands once in ${file}`).toBe(2)
      source = source.replace(mutant.from, mutant.to)
    }
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    })
    await writeFile(
      join(folder, file.replace(/\.ts$/, '.mjs')),
      outputText.replaceAll(/(from '\.[^']*)\.js'/g, "$1.mjs'"),
    )
  }
  const loaded = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'index.mjs')).href)) as {
    createEngine: typeof createEngine
  }
  return loaded.createEngine
}

/** Whether a history fails; or, of what only a count shows, whether it never happens. */
function isCaught(create: typeof createEngine, counted?: keyof Tally): boolean {
  let count = 0
  const { failed } = fc.check(
    fc.property(allHistories, (history) => {
      const tally = play(history, create, worldSettings)
      if (counted) count += tally[counted]
    }),
    { numRuns: 2_000, endOnFailure: true },
  )
  return failed || (counted !== undefined && count === 0)
}

/** A limit for a busy machine: an engine in which nothing is wrong plays all of them. */
const TIMEOUT_MS = 120_000

describe('2,000 random histories notice', { timeout: TIMEOUT_MS }, () => {
  afterAll(() => rm(cache, { recursive: true, force: true }))

  it.each(MUTANTS)('$name', async (mutant) => {
    expect(isCaught(await loadMutant(mutant), mutant.isCounted)).toBe(true)
  })

  it('nothing in the engine as it is, loaded the same way', async () => {
    expect(isCaught(await loadMutant(), 'reread')).toBe(false)
  })
})
