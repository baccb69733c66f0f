import type { Log } from './ports.js'

/** Where lines for people go: `console`, which this layer does not know. */
export interface LineSink {
  warn(...parts: unknown[]): void
  error(...parts: unknown[]): void
}

const nothing = () => {}

/**
 * The log of a host that gave none. Warnings and errors are written, because something is wrong and somebody has to hear
 * of it; debug and info lines go nowhere.
 */
export function lineLog(sink: LineSink): Log {
  return {
    debug: nothing,
    info: nothing,
    warn(message, fields) {
      sink.warn(...lineOf(message, fields))
    },
    error(message, fields) {
      sink.error(...lineOf(message, fields))
    },
  }
}

/** Node.js prints an `error` among the fields with its stack. */
function lineOf(message: string, fields: Readonly<Record<string, unknown>> = {}): unknown[] {
  const line = `[vigie] ${message}`
  return Object.keys(fields).length === 0 ? [line] : [line, fields]
}
