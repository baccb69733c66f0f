/** What was said, kept in the data folder: a server that was started again has not forgotten it. */
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import type { Log } from '@vigie/server'
import { makeFolder } from '../make-folder.js'
import { errorCode } from '../operator-error.js'
import { KEPT_MAX, type DemoMessage, type Journal } from './messages.js'

const FILE = 'demo-messages.jsonl'

const messageSchema = v.object({
  id: v.string(),
  conversationId: v.string(),
  userId: v.string(),
  text: v.string(),
  sentAt: v.number(),
  key: v.optional(v.string()),
})

/** Reads what is kept, without what is too old, and writes down what is said from now on: one line a message. */
export async function openJournal(dataDir: string, log: Log): Promise<Journal> {
  const path = join(dataDir, FILE)
  await makeFolder(dataDir)
  const kept = newestOf(readLines(await readOrNothing(path)))
  await writeFile(path, kept.map(lineOf).join(''))

  let waiting = ''
  let writing: Promise<void> | undefined
  async function write(): Promise<void> {
    while (waiting !== '') {
      const lines = waiting
      waiting = ''
      try {
        await appendFile(path, lines)
      } catch (error) {
        log.warn('a message of the demo was not kept: it is forgotten when the server is started again', {
          path,
          error,
        })
      }
    }
    writing = undefined
  }
  return {
    kept,
    note(message) {
      waiting += lineOf(message)
      writing ??= write()
    },
    flushed: async () => {
      await writing
    },
  }
}

async function readOrNothing(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return ''
  }
}

/** A server that was killed may have left half a line at the end. */
function readLines(text: string): readonly DemoMessage[] {
  return text.split('\n').flatMap((line) => {
    try {
      const read = v.safeParse(messageSchema, JSON.parse(line))
      return read.success ? [read.output] : []
    } catch {
      return []
    }
  })
}

function newestOf(messages: readonly DemoMessage[]): readonly DemoMessage[] {
  const left = new Map<string, number>()
  return [...messages]
    .reverse()
    .filter(({ conversationId }) => {
      const count = (left.get(conversationId) ?? 0) + 1
      left.set(conversationId, count)
      return count <= KEPT_MAX
    })
    .reverse()
}

function lineOf(message: DemoMessage): string {
  return `${JSON.stringify(message)}\n`
}
