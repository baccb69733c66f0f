/** One subject, its server process and the load generator's, each on a processor of its own where that can be had. */
import { fork, spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { GeneratorApi, GeneratorOptions } from './generator.js'
import { remote, type Remote } from './remote.js'
import type { ServerApi } from './server.js'
import type { SubjectName } from './subjects/subject.js'
import type { WorldSpec } from './world.js'

export interface Arena extends AsyncDisposable {
  readonly subject: SubjectName
  readonly world: WorldSpec
  readonly server: Remote<ServerApi>
  readonly generator: Remote<GeneratorApi>
}

/** Whether processes can be kept to one processor each. */
export const isPinned = cpus().length > 1 && spawnSync('taskset', ['-p', String(process.pid)]).status === 0

/** The database and this process share the generator's: the server's is the server's alone. */
const SERVER_CPU = '0'
const OTHERS_CPU = '1'

/** Keeps this process, and what it starts, off the server's processor. */
export function stepAside(): void {
  if (isPinned) spawnSync('taskset', ['-cp', OTHERS_CPU, String(process.pid)])
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Starts the two processes; nobody is connected yet. Disposing kills them. */
export async function openArena(subject: SubjectName, world: WorldSpec, databaseUrl: string): Promise<Arena> {
  // On one processor the four threads that Node starts for V8, the collector's among them, would leave the loop a fifth.
  const execArgv = ['--expose-gc', ...(isPinned ? ['--v8-pool-size=1'] : [])]
  const serverProcess = fork(file('server.js'), [subject, databaseUrl], { execArgv })
  if (isPinned && serverProcess.pid !== undefined) {
    // All its threads: at this time there are those that Node starts with, and later ones inherit it.
    spawnSync('taskset', ['-acp', SERVER_CPU, String(serverProcess.pid)])
  }
  const server = remote<ServerApi>(serverProcess, `the server of ${subject}`)
  try {
    const options: GeneratorOptions = {
      port: await server.ask('start'),
      world,
      protocol: subject.startsWith('vigie-2') ? 2 : 1,
    }
    const generator = remote<GeneratorApi>(
      fork(file('generator.js'), [JSON.stringify(options)]),
      'the load generator',
    )
    return {
      subject,
      world,
      server,
      generator,
      // The generator first: a server that goes first would make it try again.
      async [Symbol.asyncDispose]() {
        await generator[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}
