/**
 * Writes the documents that are made from tables: `docs/errors.md` from the error table, `docs/configuration.md`
 * from the options; and the drawing of imports in `ARCHITECTURE.md`. Run after a build: `npm run build && npm run docs`. `scripts/check.js` compares.
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
