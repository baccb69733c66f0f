/** JavaScript has no types, so what a host hands in is looked at before it is used. */
import { nearestName } from './nearest.js'

export const LOG_METHODS = ['debug', 'info', 'warn', 'error'] as const

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Whether the value is an object that has functions of these names, its own or inherited. */
export function hasMethods(value: unknown, names: readonly string[]): value is object {
  return isObject(value) && names.every((name) => typeof Reflect.get(value, name) === 'function')
}

/**
 * A misspelt option would be silently without effect.
 * @throws TypeError that names the nearest option there is.
 */
export function refuseUnknown(given: object, known: readonly string[], where: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    throw new TypeError(
      `\`${name}\` is no option of ${where}${nearest === undefined ? '' : `; the nearest is \`${nearest}\``}.`,
    )
  }
}

/** @throws TypeError */
export function refuseWrongLog(log: unknown): void {
  if (log === undefined || hasMethods(log, LOG_METHODS)) return
  throw new TypeError(`\`log\` is no log: it needs the functions ${LOG_METHODS.join(', ')}.`)
}

/**
 * `emit: process.env.EMIT` is a text, and the text "false" is true.
 * @throws TypeError
 */
export function refuseNonBoolean(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`\`${name}\` must be true or false.`)
  }
}
