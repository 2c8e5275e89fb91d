/**
 * What vpcd (vsmartcard) and a card say over TCP: a length in two bytes, big-endian, then as many bytes. Messages of one byte are for the
 * contacts (off, on, reset, give the ATR); all others are APDUs. The card is the client.
 */
import type { Socket } from "node:net";

export const contactByte = { off: 0x00, on: 0x01, reset: 0x02, atr: 0x04 } as const;

/** Cuts a stream into messages; a length may come in pieces. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const messages: Buffer[] = [];
    while (this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) break;
      messages.push(this.#rest.subarray(2, end));
      this.#rest = this.#rest.subarray(end);
    }
    return messages;
  }
}

/** In one write: two would wait for each other's acknowledgement. */
export function sendFrame(socket: Socket, body: Uint8Array): void {
  const message = Buffer.alloc(2 + body.length);
  message.writeUInt16BE(body.length, 0);
  message.set(body, 2);
  socket.write(message);
}
