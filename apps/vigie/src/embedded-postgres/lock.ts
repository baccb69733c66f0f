import { rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A lock that dies with its process: a file would outlive kill -9. */
export interface Lock {
  release(): Promise<void>
}

/**
 * Takes the lock called `name` on this machine; undefined while another living process has it.
 *
 * On Linux it is an abstract socket, which the kernel takes away with its process. Elsewhere it is a socket in the
 * temporary folder: the file may stay behind, but then nobody answers.
 */
export async function takeLock(name: string): Promise<Lock | undefined> {
  const address = process.platform === 'linux' ? `\0vigie-${name}` : join(tmpdir(), `vigie-${name}.sock`)
  const server =
    (await listen(address)) ?? ((await isAnswered(address)) ? undefined : await listenInstead(address))
  return (
    server && {
      release: () =>
        new Promise((resolve) =>
          server.close(() => {
            resolve()
          }),
        ),
    }
  )
}

async function listenInstead(address: string): Promise<Server | undefined> {
  if (!address.startsWith('\0')) await rm(address, { force: true })
  return listen(address)
}

/** Undefined when the address is in use. */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    // It guards something else that keeps the process alive, or nothing.
    server.unref()
    server.once('error', (error) => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(address, () => {
      resolve(server)
    })
  })
}

function isAnswered(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
}
