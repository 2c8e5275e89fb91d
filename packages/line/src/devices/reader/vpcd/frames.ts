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

/** A length of two bytes says no more. */
export const longestFrame = 0xffff;

/** In one write: two would wait for each other's acknowledgement. Throws RangeError for what the caller should have refused: see `longestFrame`. */
export function sendFrame(socket: Socket, body: Uint8Array): void {
  if (body.length > longestFrame)
    throw new RangeError(`vpcd carries messages of ${longestFrame} bytes at most, not of ${body.length}`);
  const message = Buffer.alloc(2 + body.length);
  message.writeUInt16BE(body.length, 0);
  message.set(body, 2);
  socket.write(message);
}
