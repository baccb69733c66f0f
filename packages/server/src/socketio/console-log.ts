/** The log of a host that gave none. The only file of the packages that may use the console. */
import type { Log } from '../core/index.js'

const nothing = () => {}

/**
 * Warnings and errors go to the console, because something is wrong and somebody has to hear of it; debug and info
 * lines go nowhere.
 */
export const consoleLog: Log = {
  debug: nothing,
  info: nothing,
  warn(message, fields) {
    console.warn(...lineOf(message, fields))
  },
  error(message, fields) {
    console.error(...lineOf(message, fields))
  },
}

/** Node.js prints an `error` among the fields with its stack. */
function lineOf(message: string, fields: Readonly<Record<string, unknown>> = {}): unknown[] {
  const line = `[vigie] ${message}`
  return Object.keys(fields).length === 0 ? [line] : [line, fields]
}
