/**
 * What this package needs of the world: time, timers, randomness, a place to keep an id. Nothing here is
 * touched at import, so a page, an app and a server process can all load the package.
 */

/** Time and chance. Tests give their own. */
export interface Platform {
  /** Milliseconds since 1970. */
  now(): number
  /** From 0 up to, but not including, 1. */
  random(): number
  setTimeout(run: () => void, delayMs: number): unknown
  clearTimeout(timer: unknown): void
}

/** Where the device's id is kept: `localStorage`, or React Native's `AsyncStorage`. */
export interface DeviceStorage {
  getItem(key: string): string | null | Promise<string | null>
  setItem(key: string, value: string): unknown
}

/** The few globals that are used; which of them exist is asked each time. */
interface Globals {
  setTimeout(run: () => void, delayMs: number): unknown
  clearTimeout(timer: unknown): void
  atob(text: string): string
  readonly document?: unknown
  readonly localStorage?: DeviceStorage
}
export const globals = globalThis as unknown as Globals

/** A timer of more than 24.8 days overflows and fires at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

export const defaultPlatform: Platform = {
  now: () => Date.now(),
  random: () => Math.random(),
  setTimeout: (run, delayMs) => globals.setTimeout(run, Math.min(delayMs, TIMER_MAX_MS)),
  clearTimeout: (timer) => globals.clearTimeout(timer),
}

/** `localStorage` of a page; undefined where there is none, or where the page may not have it. */
export function defaultStorage(): DeviceStorage | undefined {
  // Node has a `localStorage`, too, which warns when it is touched.
  if (globals.document === undefined) return undefined
  try {
    return globals.localStorage
  } catch {
    // A sandboxed frame, or a person who refused storage: the device is then as if it had no id.
    return undefined
  }
}

/** 24 letters and digits. Unique enough among the devices of one user, which is all that is asked of it. */
export function randomId({ random }: Platform): string {
  return Array.from({ length: 24 }, () => Math.floor(random() * 36).toString(36)).join('')
}

/** What has listeners; a part of `EventTarget`. */
export interface EventSource<Event> {
  addEventListener(type: string, listener: (event: Event) => void): void
  removeEventListener(type: string, listener: (event: Event) => void): void
}

/** Listens until the function that it returns is called. */
export function listen<Event>(
  listeners: readonly (readonly [
    source: EventSource<Event>,
    type: string,
    listener: (event: Event) => void,
  ])[],
): () => void {
  for (const [source, type, listener] of listeners) source.addEventListener(type, listener)
  return () => {
    for (const [source, type, listener] of listeners) source.removeEventListener(type, listener)
  }
}
