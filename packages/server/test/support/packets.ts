import type { Server } from 'socket.io'

/** An engine.io packet as it was handed to a connection. */
export interface EnginePacket {
  readonly type: string
  readonly data?: unknown
  readonly options: { readonly wsPreEncodedFrame?: readonly Buffer[] }
}

/** Writes down the messages that each engine connection of the server is given, in order. */
export function recordPackets(): { readonly connections: EnginePacket[][]; before(io: Server): void } {
  const connections: EnginePacket[][] = []
  return {
    connections,
    before(io) {
      io.engine.on(
        'connection',
        (connection: { on(event: string, listener: (packet: EnginePacket) => void): void }) => {
          const packets: EnginePacket[] = []
          connections.push(packets)
          connection.on('packetCreate', (packet) => {
            if (packet.type === 'message') packets.push(packet)
          })
        },
      )
    },
  }
}
