import type { Duplex } from 'node:stream'
import type { Server } from 'socket.io'

/** A message as engine.io was handed it, or, without a type, finished frames that went to the stream under it. */
export interface EnginePacket {
  readonly type?: string
  readonly data?: unknown
}

interface EngineConnection {
  readonly transport: {
    readonly perMessageDeflate?: unknown
    readonly socket?: { readonly _socket?: Duplex }
  }
  on(event: string, listener: (packet: EnginePacket) => void): void
}

/** Writes down the messages that each engine connection of the server is given, in order. */
export function recordPackets(): { readonly connections: EnginePacket[][]; before(io: Server): void } {
  const connections: EnginePacket[][] = []
  return {
    connections,
    before(io) {
      io.engine.on('connection', (connection: EngineConnection) => {
        const packets: EnginePacket[] = []
        connections.push(packets)
        let isOfEngine = false
        connection.on('packetCreate', (packet) => {
          if (packet.type === 'message') packets.push(packet)
        })
        // What is compressed is written when that is done.
        if (connection.transport.perMessageDeflate) return
        // Between these two engine.io writes what it was handed.
        connection.on('flush', () => (isOfEngine = true))
        connection.on('drain', () => (isOfEngine = false))
        const stream = connection.transport.socket?._socket
        const write = stream?.write.bind(stream)
        if (stream && write)
          stream.write = (data: unknown, ...rest: []) => {
            if (!isOfEngine) packets.push({ data })
            return write(data, ...rest)
          }
      })
    },
  }
}
