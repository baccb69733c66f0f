import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debianProgram } from './debian.js'
import { freePort } from './free-port.js'
import { startProcess } from './process.js'

/** A HAProxy in front of servers, right unless something is planted. */
export interface HaproxyOptions {
  /** Where the servers are. */
  readonly targets: readonly string[]
  /** @default true: a cookie binds a client to a server */
  readonly isSticky?: boolean
  /** @default true: it adds the address of a client */
  readonly saysAddress?: boolean
  /** For lines that carry a WebSocket. @default '1h' */
  readonly tunnelTimeout?: string
  /** For answers. @default '60s' */
  readonly serverTimeout?: string
  /** Further lines of the frontend. */
  readonly rules?: readonly string[]
}

/** @example await using proxy = await startHaproxy({ targets: [server.url], rules: ['http-request del-header Origin'] }) */
export async function startHaproxy(
  options: HaproxyOptions,
): Promise<AsyncDisposable & { readonly url: string }> {
  const command = await debianProgram('haproxy', 'The test of `vigie doctor` needs HAProxy')
  const folder = await mkdtemp(join(tmpdir(), 'vigie-haproxy-'))
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, configuration(options, port))
  const child = startProcess(['-f', file, '-db'], { command })
  const end = async () => {
    await child[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
  const gone = new AbortController()
  void child.ended.then(() => gone.abort())
  // It does not say when it listens.
  while (!(await accepts(port))) {
    if (!gone.signal.aborted) continue
    await end()
    throw new Error(`HAProxy ended before it listened:\n${child.lines.join('\n')}`)
  }
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: end,
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return isOpen
}

function configuration(options: HaproxyOptions, port: number): string {
  const {
    targets,
    isSticky = true,
    tunnelTimeout = '1h',
    serverTimeout = '60s',
    rules = [],
    saysAddress = true,
  } = options
  const servers = targets.map((target, n) => {
    const { host } = new URL(target)
    return `  server s${n} ${host}${isSticky ? ` cookie s${n}` : ''}`
  })
  return [
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    '  timeout client 60s',
    `  timeout server ${serverTimeout}`,
    `  timeout tunnel ${tunnelTimeout}`,
    'frontend outside',
    `  bind 127.0.0.1:${port}`,
    ...rules.map((rule) => `  ${rule}`),
    '  default_backend vigie',
    'backend vigie',
    '  balance roundrobin',
    ...(saysAddress ? ['  option forwardfor'] : []),
    ...(isSticky ? ['  cookie server insert indirect nocache'] : []),
    ...servers,
    '',
  ].join('\n')
}
