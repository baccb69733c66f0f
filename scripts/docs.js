/**
 * Writes the documents that are made from tables: `docs/errors.md` from the error table, `docs/configuration.md`
 * from the options; `docs/metrics.md` from the table of metrics; and the drawing of imports in `ARCHITECTURE.md`. Run after a build: `npm run build && npm run docs`. `scripts/check.js` compares.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { importDrawing } from './imports.js'

const root = new URL('../', import.meta.url)
const made = (source) =>
  `<!-- Made by scripts/docs.js from ${source}. Change the table, then run \`npm run docs\`. -->`

/** A cell must not end its row. */
const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (cells) => `| ${cells.map(cell).join(' | ')} |`
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
const code = (text) => `\`${text}\``

/** Imports a built module, or says how to build it. */
async function built(path) {
  const url = new URL(path, root)
  if (!existsSync(url)) throw new Error(`${path} is missing: run \`npm run build\` first.`)
  return import(url)
}

async function errorsDocument() {
  const { ERRORS } = await built('packages/protocol/dist/errors.js')
  return [
    made('packages/protocol/src/errors.ts'),
    '# Errors',
    'Every refusal and every close has a code. It is `error.code` in an acknowledgement `{ ok: false, error }`, `data.code` in a `connect_error`, and `code` in `presence:closed`, the last event before the server ends a session for good.',
    'One refusal is not told: where a client of protocol 1 may not come in and `retry` is not `never`, the connection is cut instead, so that stock clients come back ([how connections end](protocol.md#ends-and-returns)).',
    '`retry` says what a client does next: `now`: connect again at once; `backoff`: again, later and later; `never`: not with what it has.',
    table(
      ['code', 'retry', 'what happened', 'what the client does'],
      Object.entries(ERRORS).map(([name, error]) => [code(name), error.retry, error.meaning, error.next]),
    ),
  ].join('\n\n')
}

async function configurationDocument() {
  const { SETTINGS } = await built('packages/server/dist/core/settings.js')
  const { OPTIONS, variableOf } = await built('apps/vigie/dist/options.js')
  const rows = [...OPTIONS].map(([name, option]) => [
    code(name),
    code(variableOf(name)),
    shown(option.default),
    option.kind.expects,
    option.meaning,
  ])
  const isOfEngine = ([name]) => Object.hasOwn(SETTINGS, name.slice(1, -1))
  const head = ['option', 'variable', 'default', 'may be', 'meaning']
  return [
    made('apps/vigie/src/options.ts and packages/server/src/core/settings.ts'),
    '# Configuration',
    'One table, three places: a variable of the environment, a key of `vigie.config.json` (the option), and for the engine also an option of `attachPresence(io, { graceMs: 5000 })`. The environment beats the file, the file beats the default; `vigie config` prints what is in force and where it came from. A wrong value, a name that does not exist and a combination that cannot work stop the start with one sentence. A name that ends in `Ms` is a duration in milliseconds.',
    '## The server',
    'In `vigie serve` only.',
    table(
      head,
      rows.filter((cells) => !isOfEngine(cells)),
    ),
    '### The database',
    'Outside the demo `vigie serve` and `vigie migrate` need a choice: `DATABASE_URL` (or its file), or `VIGIE_EMBEDDED_DATABASE=1`. Both at once are refused. One server at a time may use `VIGIE_DATA_DIR`; see [operations.md](operations.md).',
    '### Names that are none',
    'An unknown variable `VIGIE_…` is a warning that names the nearest one; those that Kubernetes and Docker write for a service called `vigie` are left alone. An unknown key of the file is refused: the file is Vigie’s alone.',
    '### Origins',
    '`corsOrigins` holds for polling and for WebSockets. The pages of the server itself need not be named. Behind a proxy that replaces `Host`, let it pass `Host` on or set `X-Forwarded-Host`, or name the origin. Requests without `Origin`, as native apps send them, pass. Answers to named origins allow credentials, answers to `*` do not. A refused origin is in the log ([why](decisions/origins.md)).',
    '### Exchanging a secret',
    'Start the server with the new secret as `VIGIE_JWT_SECRET` and the old one as `VIGIE_JWT_PREVIOUS_SECRET`: tokens of both are accepted. Let your back end sign with the new one. When the last token of the old one has ended, start the server without it. Each may be in a file instead (`VIGIE_JWT_SECRET_FILE`, `VIGIE_JWT_PREVIOUS_SECRET_FILE`), which holds the secret alone, as one line; its last line break is no part of it. Files are read at the start. In the library: `auth: { secret: [newSecret, oldSecret] }`.',
    '### The HTTP API',
    'Without a key it is closed, except that in the demo this machine may read. All keys of `apiKey`, `apiKeys` and their files are in force, 100 at most. Who may use it for what, and how a key is exchanged: [guides/http-api.md](guides/http-api.md).',
    '## The engine',
    'In `vigie serve` and in the library.',
    table(head, rows.filter(isOfEngine)),
  ].join('\n\n')
}

async function metricsDocument() {
  const { METRIC_LIMITS, METRICS } = await built('packages/server/dist/host/metrics.js')
  const { FALSE_OFFLINE_MS } = await built('packages/server/dist/host/transition-counter.js')
  const { SAMPLE_GAP_MS, SAMPLE_MAX_MS } = await built('packages/server/dist/socketio/latency.js')
  return [
    made('packages/server/src/host/metrics.ts'),
    '# Metrics',
    'One table, three ways to read it: `/metrics` of `vigie serve` for Prometheus, `presence.metrics()` in a host’s own process, and `@vigie/server/otel` for OpenTelemetry. No label names a user, a room or a device. Each label has the values that stand here and no other, so the number of series is known. Counters begin at 0 with the process.',
    '## The table',
    table(
      ['metric', 'kind', 'unit', 'labels', 'what it is'],
      METRICS.map(({ name, kind, unit, series, help }) => [
        code(name),
        kind,
        unit === 'count' ? '' : unit,
        labelsOf(series),
        help,
      ]),
    ),
    `Buckets of the histograms, by their upper limits in seconds: ${[...METRIC_LIMITS].map(([name, limits]) => `${code(name)} ${limits.join(', ')}`).join('; ')}. \`presence_false_offline_total\` looks back ${FALSE_OFFLINE_MS / 1_000} seconds.`,
    'Metrics whose names begin with `presence_webhook_` have a value in `vigie serve` with webhooks; `withWebhooks` of `@vigie/server` adds them to those of a host.',
    'Metrics whose names begin with `presence_feed_`, and `presence_membership_lag_seconds`, have no value where there is no change feed. `presence_frames_total` counts events before a large one is cut into several frames; what the host sends itself, and answers to messages, are in neither frames nor bytes. On a server whose engine.io lacks the parts that presence writes by, bytes are not counted.',
    '`/metrics` also has what prom-client collects of the process, under names that begin with `process_` and `nodejs_`: processor time, memory, heap, collections of garbage, file handles.',
    '## How late people are told: `presence_publish_seconds`',
    'It is measured while the server runs, from the receipt of a change to the last write of a frame that tells it. [Why it is done so](decisions/live-latency.md).',
    table(
      ['level', 'begins', 'ends when it was written to'],
      [
        ['group', RECEIPT, 'the last session that shares a group in names mode with the user'],
        ['conversation', RECEIPT, 'the last session that shares a conversation in names mode with the user'],
        [
          'typing',
          'a `typing:start` or `typing:stop` was received; or a lease, a loss, a host ended it',
          'the last session of another member; conversations in names mode only',
        ],
        ['first_picture', 'the server saw the CONNECT packet', 'the session itself: its first picture'],
      ],
    ),
    `- It is a sample. One change of a level is followed at a time; the next is followed ${SAMPLE_GAP_MS} ms after the one before began, at the earliest: ${1_000 / SAMPLE_GAP_MS} a second for each level at most.`,
    '- Written means handed to the connection: to the stream under a WebSocket, or to engine.io. The network and the client come after it.',
    '- A session whose connection cannot be written is not waited for: it is a gauge of its own, `presence_connections_blocked`, and is cut after `stalledClientMs`. Clients that poll are such sessions between two polls, so the histogram is about WebSockets.',
    '- A session that ends meanwhile is not waited for. If it was the last that was missing, the measurement ends at that moment. If nobody was told anything, because the change had changed back or everybody had gone, nothing is counted.',
    `- A change that somebody who could be written was not told within ${SAMPLE_MAX_MS / 1_000} seconds is counted as that late.`,
    '- For somebody who connects, everything from the CONNECT packet on counts: the check of the token, the read of rows, and waiting at admission. In a storm of reconnections the histogram shows the storm.',
    '- Waiting for a window (`windowMs`, or wider under pressure) counts, and so does time in which the process stood still after it had received the change.',
    '- In shadow mode (`emit: false`) nothing is written, and nothing is measured. News that only an open screen (`presence:watch`) or a number of a large room tells is not measured.',
    '## Prometheus',
    '`vigie serve` answers `/metrics` to programs on the same machine, and to others with a key of the HTTP API. `VIGIE_METRICS_ACCESS=key` wants a key from everybody, `off` takes it away. A request that a proxy on that machine passes on needs a key: a header such as `X-Forwarded-For`, or a `Host` that is no loopback address, gives it away. A proxy that shows neither cannot be told from a program there; `vigie doctor --url` finds it (`monitoring_open`).',
    'In [deploy/prometheus](../deploy/prometheus) are a configuration to begin with and [alert rules](../deploy/prometheus/rules.yml): each says in `action` what to do. They are checked with `promtool`, and [tests](../deploy/prometheus/incidents.yml) plant each incident. [deploy/grafana/vigie.json](../deploy/grafana/vigie.json) is a dashboard: import it and choose the data source.',
    '## Your own exporter',
    '`presence.metrics()` returns a list of families: name, kind, help, and samples with their labels. `METRICS` of `@vigie/server` is the table without values.',
    [
      '```ts',
      'for (const { name, samples } of presence.metrics()) {',
      "  for (const sample of samples) if ('value' in sample) send(name, sample.labels, sample.value)",
      '}',
      '```',
    ].join('\n'),
    '## OpenTelemetry',
    'Install `@opentelemetry/api` (an optional peer) and your SDK. The instruments have the names of the table. OpenTelemetry has no histogram that is observed: each becomes the counters `…_bucket` (with the attribute `le`), `…_sum` and `…_count`.',
    [
      '```ts',
      "import { observePresence } from '@vigie/server/otel'",
      '',
      'const stop = observePresence(presence)',
      '```',
    ].join('\n'),
  ].join('\n\n')
}

const RECEIPT =
  'a message, a CONNECT packet or the end of a connection was received; or a grace was over, however late the process noticed'

/** `kind`: group, conversation. */
function labelsOf(series) {
  const names = [...new Set(series.flatMap((labels) => Object.keys(labels)))]
  return names
    .map((name) => `${code(name)}: ${[...new Set(series.map((labels) => labels[name]))].join(', ')}`)
    .join('; ')
}

/** A default as one writes it in the environment. */
function shown(value) {
  if (value === undefined) return ''
  return code(typeof value === 'boolean' ? Number(value) : value)
}

const DRAWING = {
  begin: '<!-- Drawn by scripts/imports.js from packages/server/src. Run `npm run docs`. -->',
  end: '<!-- End of what is drawn. -->',
}

/** The rest of the document is written by hand, and stays. */
async function architectureDocument() {
  const text = await readFile(new URL('ARCHITECTURE.md', root), 'utf8')
  const [before, drawn, ...more] = text.split(DRAWING.begin)
  const after = drawn?.split(DRAWING.end)
  if (after?.length !== 2 || more.length > 0)
    throw new Error(`ARCHITECTURE.md must have these two lines, once each:\n${DRAWING.begin}\n${DRAWING.end}`)
  return `${before}${DRAWING.begin}\n\n${await importDrawing()}\n\n${DRAWING.end}${after[1]}`
}

/** Path of each document, relative to the repository, with what it must contain. */
export async function documents() {
  return new Map([
    ['docs/errors.md', `${await errorsDocument()}\n`],
    ['docs/configuration.md', `${await configurationDocument()}\n`],
    ['docs/metrics.md', `${await metricsDocument()}\n`],
    ['ARCHITECTURE.md', await architectureDocument()],
  ])
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await documents()) {
    const target = fileURLToPath(new URL(path, root))
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text)
  }
}
