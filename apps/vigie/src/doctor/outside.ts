/**
 * What is wrong on the way to the server, as clients come: through the proxy or balancer in front of it. It needs no
 * token, opens a few connections of Engine.IO, and never becomes a session.
 */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type { Config } from '../config.js'
import { isLoopbackUrl } from '../local-request.js'
import { errorMessage } from '../operator-error.js'
import type { Seen } from '../http.js'
import type { Finding } from './finding.js'
import { ask, openSocket, type Answer } from './line.js'

interface OutsideConfig extends Pick<Config, 'socketIoPath' | 'corsOrigins'> {
  /** By which the server knows that it may say what it sees of a request; without it addresses are not looked at. */
  readonly doctorToken?: string | undefined
}

/** How long an answer may take that nothing has to be waited for. Milliseconds. */
const ANSWER_MS = 5_000
/** A client that keeps its connections would hide it: so many requests of one session, each on a new connection. */
const STICKY_REQUESTS = 6
/** Answers from this size on are compressed by Engine.IO. So many refusals are longer than that. */
const REFUSALS = 40
/** How much later than the server's ping a proxy may let it come. Milliseconds. */
const PING_SLACK_MS = 2_500
/** Nobody has a page there (RFC 2606). */
const FOREIGN_ORIGIN = 'https://vigie-doctor.invalid'

/** What Engine.IO says first. */
interface Open {
  readonly sid: string
  readonly pingInterval: number
  /** Cookies of the balancer, as a browser would send them back. */
  readonly cookies: Readonly<Record<string, string>>
}

/**
 * @param base The address that clients use, with the path that the proxy serves the server under, if any.
 * @throws what stops in the middle of the look.
 */
export async function lookFromOutside(base: URL, config: OutsideConfig): Promise<readonly Finding[]> {
  const way = { base, path: config.socketIoPath }
  const first = await handshake(way)
  if (!('open' in first)) return [first.finding]
  const idle = Promise.all([webSocketFindings(way), pollFindings(way)])
  const quick = [
    ...encryptionFindings(base),
    ...(await originFindings(way, config)),
    ...(await pollingFindings(way, first.open)),
    ...(await serverFindings(way, config)),
  ]
  return [...quick, ...(await idle).flat()]
}

interface Way {
  readonly base: URL
  readonly path: string
}

function below({ base }: Way, path: string): URL {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/$/u, '')}${path}`
  return url
}

function address(way: Way, transport: 'polling' | 'websocket', sid?: string): URL {
  const url = below(way, way.path)
  url.search = new URLSearchParams({ EIO: '4', transport, ...(sid !== undefined && { sid }) }).toString()
  return url
}

async function handshake(way: Way): Promise<{ open: Open; answer: Answer } | { finding: Finding }> {
  const url = address(way, 'polling')
  let answer: Answer
  try {
    answer = await ask(url, { timeoutMs: ANSWER_MS })
  } catch (error) {
    return { finding: unreachable(way.base, errorMessage(error)) }
  }
  const open = openOf(answer)
  if (open) return { open, answer }
  if (answer.status === 503 || answer.status === 502) {
    return { finding: unreachable(way.base, `the answer is ${answer.status}`) }
  }
  return {
    finding: {
      ...OUTSIDE,
      code: 'path_not_served',
      what: `At ${url.origin}${url.pathname} no Socket.IO answers (status ${answer.status}).`,
      follows: 'No client can connect.',
      todo: `Let the proxy pass ${way.path} on as it is (VIGIE_SOCKET_IO_PATH), its query included; if it serves Vigie under a path of its own, give that with --url.`,
    },
  }
}

function unreachable(base: URL, why: string): Finding {
  return {
    ...OUTSIDE,
    code: 'outside_unreachable',
    what: `Nobody answers at ${base.origin}: ${why}.`,
    follows: 'No client can connect.',
    todo: 'Start the server, correct the address, or let the proxy in front reach the server.',
  }
}

function openOf({ status, body, header }: Answer): Open | undefined {
  const text = body.toString()
  if (status !== 200 || !text.startsWith('0{')) return undefined
  const { sid, pingInterval } = JSON.parse(text.slice(1)) as { sid: string; pingInterval: number }
  const pairs = header('set-cookie').map((cookie) => cookie.split(';', 1)[0] ?? '')
  return { sid, pingInterval, cookies: pairs.length === 0 ? {} : { Cookie: pairs.join('; ') } }
}

function encryptionFindings(base: URL): Finding[] {
  const { protocol, origin } = base
  if (protocol === 'https:' || isLoopbackUrl(base)) return []
  return [
    {
      ...OUTSIDE,
      code: 'unencrypted',
      what: `${origin} is not encrypted.`,
      follows: 'An attacker on the way reads the tokens, and can act as those users until the tokens end.',
      todo: 'Let the proxy speak TLS, and clients use https://.',
    },
  ]
}

async function originFindings(way: Way, { corsOrigins = [] }: OutsideConfig): Promise<Finding[]> {
  const from = (origin: string) =>
    ask(address(way, 'polling'), { headers: { Origin: origin }, timeoutMs: ANSWER_MS })
  const found: Finding[] = []
  const isAll = corsOrigins.includes('*')
  if (!isAll && !corsOrigins.includes(way.base.origin) && !openOf(await from(way.base.origin))) {
    found.push({
      ...OUTSIDE,
      code: 'host_not_passed',
      what: `A page of ${way.base.origin} itself may not connect: the server does not learn under which name it is reached.`,
      follows: 'Browsers with a page of that address are refused; other clients are not.',
      todo: `Let the proxy pass Host on, or set X-Forwarded-Host; or add ${way.base.origin} to VIGIE_CORS_ORIGINS.`,
    })
  }
  if (!isAll && openOf(await from(FOREIGN_ORIGIN))) {
    found.push({
      ...OUTSIDE,
      code: 'origin_not_passed',
      what: 'A page of any other site may connect: the server does not learn which origin it has.',
      follows: 'What VIGIE_CORS_ORIGINS allows, and what it does not, has no effect.',
      todo: 'Let the proxy pass the header Origin on, and not replace it.',
    })
    // Without it the server cannot allow anybody by name either.
    return found
  }
  const [named] = corsOrigins
  if (named !== undefined) found.push(...corsFindings(named, await from(named)))
  return found
}

/** A browser takes the answer only if it names the origin once. */
function corsFindings(origin: string, answer: Answer): Finding[] {
  const allowed = answer.header('access-control-allow-origin').flatMap((value) => value.split(','))
  if (allowed.length === 1 && allowed[0]?.trim() === origin) return []
  const shown = allowed.length === 0 ? 'nobody' : allowed.map((value) => value.trim()).join(' and ')
  return [
    {
      ...OUTSIDE,
      code: allowed.length > 1 ? 'cors_doubled' : 'cors_replaced',
      what: `To a page of ${origin} (VIGIE_CORS_ORIGINS) the answer allows ${shown}.`,
      follows: 'Browsers refuse that answer: pages of that origin cannot connect by polling.',
      todo: 'Let the proxy pass the headers Access-Control-… of the server on, and add none of its own.',
    },
  ]
}

/** An address that nobody has (RFC 5737), as a client would claim it. */
const CLAIMED_ADDRESS = '203.0.113.7'
const CLAIM = { 'X-Forwarded-For': CLAIMED_ADDRESS }

/** What the server itself makes of who comes, and what it tells them for that. */
async function serverFindings(way: Way, { doctorToken }: OutsideConfig): Promise<Finding[]> {
  if (doctorToken === undefined) {
    // Whoever asks at a loopback address may well be here, and nobody says whether there is a proxy.
    return isLoopbackUrl(way.base) ? [] : await monitoringFindings(way)
  }
  const seenOf = async (headers: Readonly<Record<string, string>>) => {
    const Authorization = `Bearer ${doctorToken}`
    const answer = await ask(below(way, '/livez'), {
      headers: { ...headers, Authorization },
      timeoutMs: ANSWER_MS,
    })
    if (answer.status !== 200) return undefined
    const { seen } = JSON.parse(answer.body.toString()) as { seen?: Seen }
    // Without a proxy there is nobody who should have said where the request is from.
    return seen?.port === answer.localPort ? undefined : seen
  }
  const plain = await seenOf({})
  if (plain === undefined) return []
  const claimed = plain.forwardedFor === undefined ? undefined : await seenOf(CLAIM)
  return [...addressFindings(plain, claimed), ...(await monitoringFindings(way))]
}

/** Whether the server learns who comes, and from the proxy rather than from who comes. */
function addressFindings(plain: Seen, claimed: Seen | undefined): Finding[] {
  if (plain.forwardedFor === undefined) {
    return [
      {
        ...OUTSIDE,
        code: 'address_not_passed',
        what: 'The proxy does not say in X-Forwarded-For from which address a client comes.',
        follows: ADDRESS_FOLLOWS,
        todo: 'Let the proxy add it (nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; HAProxy: option forwardfor).',
      },
    ]
  }
  const last = claimed?.forwardedFor?.split(',').at(-1)?.trim()
  if (last !== CLAIMED_ADDRESS) return []
  return [
    {
      ...OUTSIDE,
      code: 'address_forgeable',
      what: 'What a client writes into X-Forwarded-For is passed on as the last address.',
      follows: 'A client can claim any address.',
      todo: 'Let the proxy add the address that it sees at the end of X-Forwarded-For, or put it in the place of the header.',
    },
  ]
}

const ADDRESS_FOLLOWS =
  'All clients seem to come from the proxy: whatever goes by addresses, a limit or a door for this machine only, takes them for one.'

/** What the server tells programs on its own machine without a key, and by what such an answer is known. */
const MONITORING = [
  { path: '/metrics', mark: '# TYPE presence_' },
  { path: '/v1/monitor', mark: '"presence_' },
] as const

/** Through a proxy, nobody is a program on the server's machine. */
async function monitoringFindings(way: Way): Promise<Finding[]> {
  const isOpen = async ({ path, mark }: (typeof MONITORING)[number]) => {
    // A proxy that passes `Host` on lets each client write there what it likes.
    const asked = [{}, { Host: 'localhost' }].map((headers) => isAnswered(below(way, path), headers, mark))
    return (await Promise.all(asked)).includes(true) ? [path] : []
  }
  const open = (await Promise.all(MONITORING.map(isOpen))).flat()
  if (open.length === 0) return []
  return [
    {
      ...OUTSIDE,
      code: 'monitoring_open',
      what: `${open.join(' and ')} ${open.length === 1 ? 'is' : 'are'} answered without a key: the server takes who comes through the proxy for programs on its own machine.`,
      follows: 'Anybody who can reach that address reads how many are online, and how the server is.',
      todo:
        'Let the proxy say in X-Forwarded-For for whom it asks, or pass no request for /metrics, /ops and /v1 on; ' +
        'VIGIE_METRICS_ACCESS=key wants a key for /metrics from everybody.',
    },
  ]
}

async function isAnswered(
  url: URL,
  headers: Readonly<Record<string, string>>,
  mark: string,
): Promise<boolean> {
  try {
    const { status, body } = await ask(url, { headers, timeoutMs: ANSWER_MS })
    return status === 200 && body.includes(mark)
  } catch {
    // A proxy may refuse by closing the connection, or by silence: whoever asks reads nothing, and that is right.
    return false
  }
}

/** Follows one polling session over several connections, and makes it answer at length. */
async function pollingFindings(way: Way, { sid, cookies }: Open): Promise<Finding[]> {
  const url = address(way, 'polling', sid)
  const send = (body: string) =>
    ask(url, {
      method: 'POST',
      body,
      headers: { ...cookies, 'Content-Type': 'text/plain' },
      timeoutMs: ANSWER_MS,
    })
  for (let n = 0; n < STICKY_REQUESTS; n++) {
    const answer = await send(connectPackets(1, n))
    if (answer.status === 200) continue
    return [notSticky(answer)]
  }
  await send(connectPackets(REFUSALS))
  const answer = await ask(url, {
    headers: { ...cookies, 'Accept-Encoding': 'gzip' },
    timeoutMs: ANSWER_MS,
  })
  if (answer.status !== 200) return [notSticky(answer)]
  return compressionFindings(answer)
}

/** To namespaces that there are not: each is refused, and none makes a session. */
function connectPackets(count: number, from = 0): string {
  return Array.from({ length: count }, (_, n) => `40/vigie-doctor-${from + n},`).join('\u001e')
}

function notSticky({ status, body }: Answer): Finding {
  return {
    ...OUTSIDE,
    code: 'not_sticky',
    what: `A polling session is not known any more on its next request (status ${status}: ${body.toString('utf8', 0, 100)}).`,
    follows: 'Clients that poll lose their connection with every few requests, and come and go.',
    todo: 'Let the balancer send all requests of a client to one server (by a cookie, or by its address), or let clients use WebSockets only.',
  }
}

const ENCODINGS: ReadonlyMap<string, (body: Buffer) => Buffer> = new Map<string, (body: Buffer) => Buffer>([
  ['gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
])

function compressionFindings({ body, header }: Answer): Finding[] {
  const encodings = header('content-encoding').flatMap((value) => value.split(',').map((each) => each.trim()))
  // As a client undoes it: once for each that is named, the last first.
  let text = body
  for (const encoding of [...encodings].reverse()) text = ENCODINGS.get(encoding)?.(text) ?? text
  const isReadable = text.toString('utf8', 0, 3) === '44/'
  if (isReadable && encodings.length <= 1) return []
  return [
    {
      ...OUTSIDE,
      code: 'compressed_twice',
      what: isReadable
        ? `Answers are compressed twice (Content-Encoding: ${encodings.join(', ')}).`
        : 'Answers come compressed in another way than their header Content-Encoding says.',
      follows: isReadable ? 'That costs processor time for nothing.' : 'Clients that poll cannot read them.',
      todo: 'Turn compression off in the proxy for the path of Socket.IO: the server compresses what is worth it.',
    },
  ]
}

async function webSocketFindings(way: Way): Promise<Finding[]> {
  let opened: Awaited<ReturnType<typeof openSocket>>
  try {
    opened = await openSocket(address(way, 'websocket'), { timeoutMs: ANSWER_MS })
  } catch (error) {
    return [noUpgrade(errorMessage(error))]
  }
  if ('answer' in opened) return [noUpgrade(`the answer is ${opened.answer.status} instead of 101`)]
  const { socket } = opened
  try {
    const first = await socket.next(ANSWER_MS)
    if (!first?.startsWith('0{')) return [noUpgrade('the line is opened and nothing comes over it')]
    const { pingInterval } = JSON.parse(first.slice(1)) as { pingInterval: number }
    const openedAt = performance.now()
    const ping = await socket.next(pingInterval + PING_SLACK_MS)
    if (ping === '2') return []
    const after = Math.round(performance.now() - openedAt)
    const what = socket.hasEnded
      ? `A WebSocket on which nothing is said is cut after ${after} ms`
      : `Over a WebSocket nothing comes for ${after} ms`
    return [cut('idle_cut', what, pingInterval)]
  } finally {
    socket.end()
  }
}

function noUpgrade(why: string): Finding {
  return {
    ...OUTSIDE,
    code: 'no_upgrade',
    what: `No WebSocket can be opened: ${why}.`,
    follows: 'Clients poll instead, which costs each of them and the server several times as much.',
    todo: 'Let the proxy pass the headers Connection and Upgrade on for the path of Socket.IO, over HTTP/1.1.',
  }
}

/** A poll that nothing is said in is answered with the ping. */
async function pollFindings(way: Way): Promise<Finding[]> {
  const first = await handshake(way)
  if (!('open' in first)) return [first.finding]
  const { sid, cookies, pingInterval } = first.open
  const askedAt = performance.now()
  const shown = (why: string) => {
    const what = `A poll that waits for something to be said is ended after ${Math.round(performance.now() - askedAt)} ms (${why})`
    return [cut('poll_cut', what, pingInterval)]
  }
  try {
    const url = address(way, 'polling', sid)
    const answer = await ask(url, { headers: cookies, timeoutMs: pingInterval + PING_SLACK_MS })
    // That a session is not known is found where it is looked for.
    return answer.status === 200 || answer.status === 400 ? [] : shown(`status ${answer.status}`)
  } catch (error) {
    return shown(errorMessage(error))
  }
}

function cut(code: 'idle_cut' | 'poll_cut', what: string, pingIntervalMs: number): Finding {
  return {
    ...OUTSIDE,
    code,
    what: `${what}; the server says something every ${pingIntervalMs} ms only.`,
    follows:
      'Connections are lost again and again: clients come back within the grace, at the cost of a new connection each time.',
    todo:
      'Give idle lines a longer time-out in the proxy (proxy_read_timeout of nginx; timeout tunnel and timeout server of HAProxy): ' +
      'a minute or more; or set VIGIE_PING_INTERVAL_MS below it.',
  }
}

const OUTSIDE = { subject: 'outside' } as const
