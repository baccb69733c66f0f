import type { Server } from 'node:http'

/** As `vigie serve`; what a storm is met with is the same for every subject. */
const BACKLOG = 4_096

/** Listens on a free port of the loopback, which it returns. */
export async function listen(http: Server): Promise<number> {
  await new Promise<void>((resolve) => http.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, resolve))
  const address = http.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Processor time of this process so far, user and system, in milliseconds. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
