/** `vigie audit online|user|peak|why`: questions about the past, answered by the database itself. */
import { defineCommand } from 'citty'
import { openTrail, type TrailQuestions } from '@vigie/server/postgres'
import { common, configFrom, idFrom, json, logOf, printAnswer, type ConfigArgs } from '../command-parts.js'
import { requireDatabase } from '../config.js'
import { openDatabase } from '../database.js'
import { errorMessage, OperatorError } from '../operator-error.js'
import { withDatabaseUrl } from '../secrets.js'
import { onlineInWords, peakInWords, userInWords, whyInWords } from './question-words.js'
import { parseTime } from './time.js'

const at = {
  type: 'string',
  description: 'When, such as 2026-11-29T14:05Z.',
  valueHint: 'time',
} as const

interface AskArgs extends ConfigArgs {
  readonly json?: boolean | undefined
}

/** Asks the trail, and prints the answer as JSON, or in words. */
async function answer<Answer>(
  args: AskArgs,
  question: (trail: TrailQuestions) => Promise<Answer>,
  inWords: (answer: Answer) => string,
): Promise<void> {
  const given = configFrom(args)
  const log = logOf(given)
  requireDatabase(given)
  const database = await openDatabase(await withDatabaseUrl(given), log)
  const trail = openTrail({ sql: database.url, log })
  try {
    printAnswer(args, await question(trail), inWords)
  } catch (error) {
    throw isSentence(error) ? new OperatorError(errorMessage(error), { cause: error }) : error
  } finally {
    await trail.close()
    await database.close()
  }
}

/** What the library says of a wrong question is one, and so is what it says of PostgreSQL's answer, which is the cause. */
function isSentence(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof Error && error.cause !== undefined)
}

function timeFrom(option: string, text: string | undefined): number {
  if (text === undefined)
    throw new OperatorError(`${option} is missing; it is a time such as 2026-11-29T14:05Z.`)
  return parseTime(option, text)
}

const online = defineCommand({
  meta: {
    name: 'vigie audit online',
    description: 'Say who of a conversation, or of a group, was online at a time of the past.',
  },
  args: {
    conversation: { type: 'string', description: 'Of which conversation.', valueHint: 'id' },
    group: { type: 'string', description: 'Of which group, instead.', valueHint: 'id' },
    at,
    json,
    ...common,
  },
  run: async ({ args }) => {
    const { conversation, group } = args
    const when = timeFrom('--at', args.at)
    if ((conversation === undefined) === (group === undefined)) {
      throw new OperatorError('vigie audit online needs --conversation, or --group.')
    }
    const room =
      group === undefined
        ? { conversation: idFrom('--conversation', conversation ?? '') }
        : { group: idFrom('--group', group) }
    await answer(args, (trail) => trail.online({ ...room, at: when }), onlineInWords)
  },
})

const user = defineCommand({
  meta: {
    name: 'vigie audit user',
    description: 'Say when a user was online, with which devices, and why it began and ended.',
  },
  args: {
    userId: { type: 'positional', description: 'Whose presence it was.', required: true },
    from: { type: 'string', description: 'From this time on, such as 2026-11-29T14:05Z.', valueHint: 'time' },
    to: { type: 'string', description: 'And before this one, 31 days later at most.', valueHint: 'time' },
    json,
    ...common,
  },
  run: async ({ args }) => {
    const period = { from: timeFrom('--from', args.from), to: timeFrom('--to', args.to) }
    const userId = idFrom('The user id', args.userId)
    await answer(args, (trail) => trail.user({ userId, ...period }), userInWords)
  },
})

const peak = defineCommand({
  meta: {
    name: 'vigie audit peak',
    description: 'Say how many users were online at most at one time of a day. It reads all of that day.',
  },
  args: {
    day: { type: 'string', description: 'Which day, in UTC, such as 2026-11-29.', valueHint: 'day' },
    json,
    ...common,
  },
  run: async ({ args }) => {
    const { day } = args
    if (day === undefined) throw new OperatorError('--day is missing; it is a day such as 2026-11-29.')
    await answer(args, (trail) => trail.peak({ day }), peakInWords)
  },
})

const why = defineCommand({
  meta: {
    name: 'vigie audit why',
    description: 'Say whether a user was online at a time of the past, and what made it so.',
  },
  args: {
    userId: { type: 'positional', description: 'Whose presence it was.', required: true },
    at,
    json,
    ...common,
  },
  run: async ({ args }) => {
    const when = timeFrom('--at', args.at)
    const userId = idFrom('The user id', args.userId)
    await answer(args, (trail) => trail.why({ userId, at: when }), whyInWords)
  },
})

export const questions = { online, user, peak, why }
