import { cpus, totalmem, type } from 'node:os'
import { isPinned } from './arena.js'

/** One sentence about where the figures come from. */
export function machine(): string {
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return (
    `${type()}, ${processors.length} processors (${processors[0]?.model.trim() ?? 'unknown'}), ${memory} GiB, ` +
    `Node ${process.versions.node}; the server ${isPinned ? 'has a processor of its own' : 'shares its processors'}.`
  )
}
