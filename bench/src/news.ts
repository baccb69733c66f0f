/**
 * How long news takes: from the moment when somebody does something (on the generator's clock) to each frame that
 * tells somebody else of it (on the same clock). Only what begins while the window is open is followed; how it ends
 * is waited for.
 */
import { createHistogram } from './histogram.js'
import type { Latencies } from './generator.js'

export interface News {
  open(): void
  close(): void
  /** The user's CONNECT packet is being sent. */
  comes(user: number): void
  /** The user's goodbye is being sent. */
  leaves(user: number): void
  /** The user is cut off, which is not followed: a grace would be measured. */
  isCut(user: number): void
  types(conversation: string, isStart: boolean): void
  echoed(ms: number): void
  /** Somebody who has been there since `since` is told. */
  toldPresence(subject: number, online: boolean, since: number, at: number): void
  toldTyping(conversation: string, isStart: boolean, at: number): void
  summaries(): Latencies
}

export function createNews(users: number): News {
  /** When it was begun; 0: it is not followed. */
  const cameAt = new Float64Array(users)
  const leftAt = new Float64Array(users)
  const typingAt = new Map<string, readonly [isStart: boolean, at: number]>()
  const online = createHistogram()
  const offline = createHistogram()
  const typing = createHistogram()
  const echo = createHistogram()
  let isOpen = false
  const begin = () => (isOpen ? performance.now() : 0)

  return {
    open() {
      for (const histogram of [online, offline, typing, echo]) histogram.clear()
      cameAt.fill(0)
      leftAt.fill(0)
      typingAt.clear()
      isOpen = true
    },
    close() {
      isOpen = false
    },
    comes(user) {
      cameAt[user] = begin()
    },
    leaves(user) {
      leftAt[user] = begin()
    },
    isCut(user) {
      leftAt[user] = 0
    },
    types(conversation, isStart) {
      if (isOpen) typingAt.set(conversation, [isStart, performance.now()])
      else typingAt.delete(conversation)
    },
    echoed(ms) {
      if (isOpen) echo.add(ms)
    },
    toldPresence(subject, isOnline, since, at) {
      const began = (isOnline ? cameAt : leftAt)[subject] ?? 0
      // Who came later is told by the first picture, which is no news.
      if (began > 0 && since < began) (isOnline ? online : offline).add(at - began)
    },
    toldTyping(conversation, isStart, at) {
      const began = typingAt.get(conversation)
      if (began?.[0] === isStart) typing.add(at - began[1])
    },
    summaries: () => ({
      online: online.summary(),
      offline: offline.summary(),
      typing: typing.summary(),
      echo: echo.summary(),
    }),
  }
}
