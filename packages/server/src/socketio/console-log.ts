import { lineLog, type Log } from '../core/index.js'

/** See {@link lineLog}. */
export const consoleLog: Log = lineLog(console)
