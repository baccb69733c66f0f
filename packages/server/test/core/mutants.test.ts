import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fc from 'fast-check'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'
import type { createEngine } from '../../src/core/index.js'
import { play } from '../../src/testing/history.js'
import type { History } from '../../src/testing/steps.js'
import { allHistories, worldSettings } from '../support/histories.js'

/** Each is a mistake that somebody could make in the engine; 600 random histories must notice it. */
const MUTANTS = [
  {
    name: 'grace ignored',
    file: 'sessions.ts',
    from: 'const ownGraceMs = Math.max(session.backgroundGraceMs ?? graceMs, atLeastMs)',
    to: 'const ownGraceMs = 0 * Math.max(session.backgroundGraceMs ?? graceMs, atLeastMs)',
  },
  {
    name: 'count kept as a counter',
    file: 'presence.ts',
    from: 'const after = derivePresence(user)',
    to: `const derived = derivePresence(user)
  const step = user.sessions.size > (user as any).seen ? 1 : user.sessions.size < (user as any).seen ? -1 : 0
  ;(user as any).seen = user.sessions.size
  const count = before.count === 0 ? derived.count : before.count + step
  const after = { online: count > 0, count }`,
  },
  {
    name: 'no check at write time',
    file: 'events.ts',
    from: 'const view = subject ? viewOf(session, subject) : NO_VIEW',
    to: 'const view = toldView ?? (subject ? viewOf(session, subject) : NO_VIEW)',
  },
  {
    name: 'no check at write time in diffs',
    file: 'diffs.ts',
    from: 'const view = subject ? viewOf(session, subject) : NO_VIEW',
    to: 'const view = toldView ?? (subject ? viewOf(session, subject) : NO_VIEW)',
  },
  {
    name: 'a changed roster is not told',
    file: 'memberships.ts',
    from: 'oweRoomToAll(world, room)\n  room.facts = facts',
    to: 'room.facts = facts',
  },
  {
    name: 'what changes between a change and its write is not noted',
    file: 'outbox.ts',
    from: 'if (entry && !entry.view) setEntry',
    to: 'if (!entry) setEntry',
  },
  {
    name: 'a first picture has what was said of somebody before',
    file: 'diffs.ts',
    from: 'if (place !== undefined) sight.counts[place] = knownCountOf(user)',
    to: 'if (place === undefined) continue',
  },
  {
    name: 'everybody hears what was said of somebody before',
    file: 'presence.ts',
    from: '  user.count = undefined\n',
    to: '',
  },
  {
    name: 'a resume forgets changed rows',
    file: 'memberships.ts',
    from: '  user.rowsAt = world.position\n',
    to: '',
  },
  {
    name: 'a resume forgets changed rosters',
    file: 'memberships.ts',
    from: 'room.facts = facts\n  rosterChanged(world, room)',
    to: 'room.facts = facts',
  },
  {
    name: 'a room is told as it was',
    file: 'model.ts',
    from: 'room.changedAt = world.position\n  room.sight = undefined',
    to: 'room.changedAt = world.position',
  },
  {
    name: 'a resume forgets presence',
    file: 'presence.ts',
    from: '  user.presenceAt = world.position\n',
    to: '',
  },
  {
    name: 'lease not renewed',
    file: 'typing.ts',
    from: 'world.deadlines.set(lease, world.now + world.settings.typingLeaseMs)\n  if (session.typing) return',
    to: 'if (session.typing) return\n  world.deadlines.set(lease, world.now + world.settings.typingLeaseMs)',
  },
  {
    name: 'retraction forgotten',
    file: 'events.ts',
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
    name: 'there and back is told',
    file: 'events.ts',
    from: 'const before = hasSeen ? told : OFFLINE',
    to: 'const before = hasSeen ? { ...told, count: -1 } : OFFLINE',
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
    from: 'if (!putOff(world, session)) removeSession(world, session)',
    to: 'removeSession(world, session)\n    void putOff',
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
]

const core = fileURLToPath(new URL('../../src/core/', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/mutants/', import.meta.url))

/** The engine with one passage exchanged, compiled by itself beside the real one. */
async function loadMutant(mutant?: (typeof MUTANTS)[number]): Promise<typeof createEngine> {
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

function check(create: typeof createEngine): fc.RunDetails<[History]> {
  return fc.check(
    fc.property(allHistories, (history) => {
      play(history, create, worldSettings)
    }),
    { numRuns: 600, endOnFailure: true },
  )
}

describe('600 random histories notice', () => {
  afterAll(() => rm(cache, { recursive: true, force: true }))

  it.each(MUTANTS)('$name', async (mutant) => {
    expect(check(await loadMutant(mutant)).failed).toBe(true)
  })

  it('nothing in the engine as it is, loaded the same way', async () => {
    expect(check(await loadMutant()).failed).toBe(false)
  })
})
