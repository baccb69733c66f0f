import { EventEmitter } from 'node:events'

interface Packet {
  readonly type: number
  readonly nsp: string
}

/** A host's own Socket.IO parser, as small as one can be; `binary` sends buffers, as MessagePack would. */
export function jsonParser(kind: 'text' | 'binary') {
  class Encoder {
    encode(packet: Packet): (string | Buffer)[] {
      const text = JSON.stringify(packet)
      return [kind === 'text' ? text : Buffer.from(text)]
    }
  }
  class Decoder extends EventEmitter {
    add(chunk: string | Buffer): void {
      this.emit('decoded', JSON.parse(chunk.toString()))
    }
    destroy(): void {
      this.removeAllListeners()
    }
  }
  return { Encoder, Decoder }
}
