/** Whether a request comes from a program on this machine: what needs no key from those asks here, and nowhere else. */
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context } from 'hono'
import { isLoopback } from './config.js'

/** By which a proxy says that it asks for somebody else. */
const FORWARDED_PREFIX = 'x-forwarded-'
const FORWARDED: ReadonlySet<string> = new Set([
  ...['forwarded', 'via', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'],
])

/**
 * A request is local if its connection comes from a loopback address, no header says that a proxy passed it on, and it
 * was sent to a loopback address by name: a page elsewhere whose name was made to lead here would name itself in `Host`.
 *
 * A proxy on this machine that says nothing of itself and sends `Host: 127.0.0.1` cannot be told from a program here;
 * `vigie doctor` finds it (`monitoring_open`).
 */
export function isLocalRequest(context: Context): boolean {
  const isForwarded = [...context.req.raw.headers.keys()].some(
    (name) => name.startsWith(FORWARDED_PREFIX) || FORWARDED.has(name),
  )
  if (isForwarded) return false
  const from = getConnInfo(context).remote.address?.replace(/^::ffff:/u, '')
  return from !== undefined && isLoopback(from) && isLoopbackUrl(new URL(context.req.url))
}

/** Whether the address of a page or a server names this machine. */
export function isLoopbackUrl({ hostname }: URL): boolean {
  return isLoopback(hostname.replace(/^\[|\]$/gu, ''))
}
