/** A program in namespaces of its own, as a container has them: it sees other processes, networks and mounts than we do. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { childrenOf } from './postgres-server.js'
import { startProcess, type ProcessOptions, type StartedProcess } from './process.js'

/** Perl, which Debian always has: `ip` is in a package that small images lack. It switches loopback on. */
const LOOPBACK_UP = `perl -e 'use Socket; my $up = pack("a16 s", "lo", 0x41); socket(S, PF_INET, SOCK_DGRAM, 0) and ioctl(S, 0x8914, $up) or die "loopback: $!"'`

/** Debian's `util-linux` has both; nothing is installed for them. */
const PROGRAMS = ['unshare', 'nsenter', 'perl'] as const

/** A program with its own namespaces. Disposing ends all that runs in them. */
export interface Contained extends AsyncDisposable {
  /** Of `unshare`, which waits outside: it has the program's output. */
  readonly process: StartedProcess
  /** The first process inside, by its number outside. The kernel ends all others in there with it. */
  first(): Promise<number>
  /** What a program prints that runs in the same network. */
  runInside(args: readonly string[]): Promise<readonly string[]>
}

/**
 * Runs a line of shell in mount, process, network, shared memory and host name namespaces of its own; other users than root also get a user
 * namespace.
 * @throws Error with one sentence when a program for that is missing.
 * @example await using other = contain('exec node apps/vigie/bin/vigie.js serve', { env })
 */
export function contain(shell: string, options: ProcessOptions = {}): Contained {
  refuseMissing()
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user', '--keep-caps']
  const child = startProcess(
    [
      ...[...user, '--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--mount-proc', '--kill-child'],
      ...['sh', '-c', `${LOOPBACK_UP} && ${shell}`],
    ],
    { ...options, command: 'unshare' },
  )
  const first = async () => {
    const [pid] = await childrenOf(child.pid)
    if (pid === undefined) throw new Error(`Nothing runs inside:\n${child.lines.join('\n')}`)
    return pid
  }
  return {
    process: child,
    first,
    async runInside(args) {
      const users = user.length === 0 ? [] : ['--user', '--preserve-credentials']
      await using inside = startProcess(['--target', String(await first()), ...users, '--net', ...args], {
        command: 'nsenter',
      })
      const code = await inside.ended
      if (code !== 0) throw new Error(`${args[0] ?? ''} ended with ${code}:\n${inside.lines.join('\n')}`)
      return inside.lines
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

function refuseMissing(): void {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/bin']
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))))
  if (missing.length === 0) return
  throw new Error(
    `The test of two containers on one data folder needs ${missing.join(' and ')}: on Debian or Ubuntu run ` +
      '"apt-get install util-linux perl-base" as root.',
  )
}
