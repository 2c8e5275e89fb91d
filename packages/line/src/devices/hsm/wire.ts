/**
 * How the line and a module's process put a message into one block: `length of the block (4) ‖ message`, the message as MessagePack, whose
 * bytes are read in place. A card's forty commands are one block and one copy.
 */
import type { Duplex } from "node:stream";
import { Decoder, Encoder } from "@msgpack/msgpack";

const HEAD = 4;
/** No message is nearly as long; a length beyond it is no message of ours. */
const LONGEST = 1 << 30;
/** Room for a card's session; longer messages make it longer, once. */
const USUAL = 1 << 15;

/** MessagePack's extensions (times, types of one's own) are no part of a message, in neither direction. */
const noExtensions = {
  tryToEncode: () => null,
  decode: (): never => {
    throw new RangeError("a message has no extensions");
  },
};
const encoder = new Encoder({
  extensionCodec: noExtensions,
  ignoreUndefined: true,
  initialBufferSize: USUAL,
});

/** Objects, arrays, text, numbers, truth and bytes; fields that are undefined are left out. */
export function packed(message: unknown): Buffer {
  const body = encoder.encodeSharedRef(message);
  const block = Buffer.allocUnsafe(HEAD + body.length);
  block.writeUInt32BE(block.length, 0);
  block.set(body, HEAD);
  // It is the encoder's own, and the next message may be long in coming.
  body.fill(0);
  return block;
}

/** The message of one whole block; its bytes are views of the block. Throws RangeError for what is none. */
export function unpacked(block: Uint8Array): unknown {
  const length = block.length - HEAD;
  // Nothing in a message is longer than the message, whatever it says: no room is made for what cannot come.
  const decoder = new Decoder({
    extensionCodec: noExtensions,
    maxStrLength: length,
    maxBinLength: length,
    maxArrayLength: length,
    maxMapLength: length,
    maxExtLength: 0,
  });
  try {
    return decoder.decode(new Uint8Array(block.buffer, block.byteOffset + HEAD, length));
  } catch (cause) {
    throw new RangeError("what came from the other process is no message", { cause });
  }
}

/** Calls `hear` with each message that comes in, in their order; ends the stream, with a RangeError, at what is no message. */
export function hearBlocks(stream: Duplex, hear: (message: unknown) => void): void {
  let begun: Buffer[] = [];
  let have = 0;
  stream.on("data", (chunk: Buffer) => {
    begun.push(chunk);
    have += chunk.length;
    while (have >= HEAD) {
      // The head may be torn too; pieces are joined once the whole block is there, not at each of them.
      if ((begun[0]?.length ?? 0) < HEAD) begun = [Buffer.concat(begun)];
      const length = begun[0]?.readUInt32BE(0) ?? 0;
      if (length <= HEAD || length > LONGEST) {
        stream.destroy(new RangeError("what came from the other process is no message"));
        return;
      }
      if (have < length) return;
      const all = begun.length === 1 ? (begun[0] ?? Buffer.alloc(0)) : Buffer.concat(begun);
      have -= length;
      begun = have === 0 ? [] : [all.subarray(length)];
      let message: unknown;
      try {
        message = unpacked(all.subarray(0, length));
      } catch (problem) {
        stream.destroy(problem instanceof Error ? problem : undefined);
        return;
      }
      hear(message);
    }
  });
}
