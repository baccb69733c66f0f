/** `vigie audit`: the audit trail, read and taken care of in the database itself. It needs no running server. */
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { defineCommand } from 'citty'
import {
  TRAIL_DAYS_MAX,
  trailHeadIn,
  type TrailFault,
  type TrailHead,
  type TrailKeeper,
} from '@vigie/server/postgres'
import {
  common,
  configFrom,
  idFrom,
  json,
  logOf,
  print,
  printAnswer,
  type ConfigArgs,
} from '../command-parts.js'
import { shown } from '../explain-words.js'
import { fileReason } from '../file-error.js'
import { errorCode, OperatorError } from '../operator-error.js'
import { withKeeper } from './keeper.js'
import { questions } from './questions-commands.js'
import { parseTime } from './time.js'
import { count, faultInWords, verificationInWords } from './verify-words.js'

/** Of a trail that is broken all over, the JSON document names no more. */
const FOUND_MAX = 1_000

function asKeeper<Result>(args: ConfigArgs, work: (keeper: TrailKeeper) => Promise<Result>): Promise<Result> {
  const config = configFrom(args)
  return withKeeper(config, logOf(config), work)
}

const verify = defineCommand({
  meta: {
    name: 'vigie audit verify',
    description: 'Look whether the audit trail is as it was written. It reads all of it.',
  },
  args: {
    'print-heads': {
      type: 'boolean',
      description:
        'Print the last row of each start of a server, a line each, to be kept elsewhere; the rest to standard error.',
    },
    heads: {
      type: 'string',
      description:
        'A file with what --print-heads printed earlier: look also whether all up to there is still there.',
      valueHint: 'file',
    },
    json,
    ...common,
  },
  run: async ({ args }) => {
    const heads = args.heads === undefined ? [] : await readHeads(args.heads)
    const printsHeads = args['print-heads'] === true
    const say = printsHeads ? (text: string) => process.stderr.write(`${text}\n`) : print
    const found: TrailFault[] = []
    const onFault = (fault: TrailFault) => {
      if (args.json !== true) say(faultInWords(fault))
      else if (found.length < FOUND_MAX) found.push(fault)
    }
    const verified = await asKeeper(args, (keeper) => keeper.verify({ heads, onFault }))
    if (printsHeads) for (const head of verified.heads) print(JSON.stringify(head))
    say(
      args.json === true
        ? JSON.stringify({ ...verified, found }, undefined, 2)
        : verificationInWords(verified),
    )
    if (verified.faults > 0) process.exitCode = 1
  },
})

async function readHeads(path: string): Promise<TrailHead[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new OperatorError(`--heads is ${path}, which cannot be read: ${fileReason(error)}.`, {
      cause: error,
    })
  }
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    const head = trailHeadIn(parsed(line))
    if (head) return [head]
    throw new OperatorError(`Line ${index + 1} of ${path} is none that --print-heads has printed.`)
  })
}

/** Undefined: it is no JSON. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const erase = defineCommand({
  meta: {
    name: 'vigie audit erase',
    description:
      'Empty every row of the audit trail that tells of one user. It cannot be taken back. The trail still verifies.',
  },
  args: { userId: { type: 'positional', description: 'Who is erased.', required: true }, json, ...common },
  run: async ({ args }) => {
    const userId = idFrom('The user id', args.userId)
    const erased = await asKeeper(args, (keeper) => keeper.erase(userId))
    printAnswer(args, { ...erased, erasure: erased.erasure ?? null }, ({ erasure, rows, days }) =>
      erasure === null
        ? `No row of the audit trail tells of ${shown(userId)}.`
        : `${shown(userId)} is erased from ${count(rows, 'row')} of ${count(days.length, 'day')} of the audit trail, by the erasure ${erasure}.`,
    )
  },
})

const exported = defineCommand({
  meta: {
    name: 'vigie audit export',
    description:
      'Print what the audit trail says of one user, or all of a period, as NDJSON, the oldest first.',
  },
  args: {
    user: { type: 'string', description: 'Of whom.', valueHint: 'userId' },
    from: { type: 'string', description: 'From this time on, such as 2026-11-29T14:05Z.', valueHint: 'time' },
    to: { type: 'string', description: 'And before this one.', valueHint: 'time' },
    ...common,
  },
  run: async ({ args }) => {
    const linesOf = askedFor(args)
    await asKeeper(args, async (keeper) => {
      try {
        await pipeline(Readable.from(broken(linesOf(keeper))), process.stdout, { end: false })
      } catch (error) {
        // `| head` has read what it wanted.
        if (errorCode(error) !== 'EPIPE') throw error
      }
    })
  },
})

async function* broken(lines: AsyncIterable<string>) {
  for await (const line of lines) yield `${line}\n`
}

interface ExportArgs {
  readonly user?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

function askedFor({ user, from, to }: ExportArgs): (keeper: TrailKeeper) => AsyncIterable<string> {
  if (user !== undefined && from === undefined && to === undefined) {
    const userId = idFrom('The user id', user)
    return (keeper) => keeper.exportUser(userId)
  }
  if (user !== undefined || from === undefined || to === undefined) {
    throw new OperatorError('vigie audit export needs --user, or --from and --to.')
  }
  const period = { from: parseTime('--from', from), to: parseTime('--to', to) }
  if (period.from >= period.to) throw new OperatorError('--from must be before --to.')
  return (keeper) => keeper.exportPeriod(period)
}

const keep = defineCommand({
  meta: {
    name: 'vigie audit keep',
    description: 'Drop the days of the audit trail that are older than it is kept. To be run once a day.',
  },
  args: {
    days: {
      type: 'string',
      description: 'How many whole days before today, in UTC, are kept; all: for ever.',
      valueHint: 'number',
    },
    json,
    ...common,
  },
  run: async ({ args }) => {
    const days = daysIn(args.days)
    const dropped = await asKeeper(args, (keeper) => keeper.keep(days))
    const kept = days === null ? 'for ever' : `for ${count(days, 'day')}`
    const what =
      dropped.length === 0
        ? 'No day was older'
        : `Dropped ${count(dropped.length, 'day')}: ${dropped.join(', ')}`
    printAnswer(args, { days, dropped }, () => `The audit trail is kept ${kept}. ${what}.`)
  },
})

function daysIn(text = ''): number | null {
  if (text === 'all') return null
  const days = Number(text)
  if (/^\d+$/u.test(text) && days >= 1 && days <= TRAIL_DAYS_MAX) return days
  throw new OperatorError(
    `vigie audit keep needs --days, a whole number from 1 to ${TRAIL_DAYS_MAX}, or all.`,
  )
}

export const audit = defineCommand({
  meta: { name: 'vigie audit', description: 'Ask, verify, keep, erase from and export the audit trail.' },
  subCommands: { ...questions, verify, erase, export: exported, keep },
})
