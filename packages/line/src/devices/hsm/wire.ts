/**
 * How the line and a module's process put a message into one block: `length of the block (4) ‖ length of its text (4) ‖ text ‖ bytes`. The
 * text is JSON in which `{"$": n}` stands for the next n bytes. A card's forty commands are one string and one copy: structured
 * clone of forty small arrays cost more than their encryption did.
 */
import type { Duplex } from "node:stream";

const HEAD = 8;
/** No message is nearly as long; a length beyond it is no message of ours. */
const LONGEST = 1 << 30;
const BYTES = "$";

interface Mark {
  readonly [BYTES]: number;
}

/** Objects, arrays, text, numbers, truth and bytes; what is undefined is left out. Throws RangeError for a field named "$". */
export function packed(message: unknown): Buffer {
  const bytes: Uint8Array[] = [];
  const text = Buffer.from(JSON.stringify(marked(message, bytes)));
  const length = bytes.reduce((sum, one) => sum + one.length, HEAD + text.length);
  const block = Buffer.allocUnsafe(length);
  block.writeUInt32BE(length, 0);
  block.writeUInt32BE(text.length, 4);
  block.set(text, HEAD);
  let at = HEAD + text.length;
  for (const one of bytes) {
    block.set(one, at);
    at += one.length;
  }
  return block;
}

/** The message of one whole block; its bytes are views of the block. */
export function unpacked(block: Buffer): unknown {
  const end = HEAD + block.readUInt32BE(4);
  let at = end;
  const filled = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (isMark(value)) {
      const from = at;
      at += value[BYTES];
      return new Uint8Array(block.buffer, block.byteOffset + from, value[BYTES]);
    }
    const fields = value as Record<string, unknown>;
    for (const name in fields) {
      const field = fields[name];
      if (typeof field === "object") fields[name] = filled(field);
    }
    return value;
  };
  return filled(JSON.parse(block.toString("utf8", HEAD, end)));
}

/** Calls `hear` with each message that comes in, in their order. */
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
      if (length < HEAD || length > LONGEST) {
        stream.destroy(new RangeError("what came from the other process is no message"));
        return;
      }
      if (have < length) return;
      const all = begun.length === 1 ? (begun[0] ?? Buffer.alloc(0)) : Buffer.concat(begun);
      have -= length;
      begun = have === 0 ? [] : [all.subarray(length)];
      hear(unpacked(all.subarray(0, length)));
    }
  });
}

const isMark = (value: object): value is Mark =>
  BYTES in value && typeof (value as Partial<Mark>)[BYTES] === "number";

function marked(value: unknown, bytes: Uint8Array[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    bytes.push(value);
    return { [BYTES]: value.length } satisfies Mark;
  }
  if (Array.isArray(value)) return value.map((one: unknown) => marked(one, bytes));
  const fields: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    if (name === BYTES) throw new RangeError(`a field named "${BYTES}" cannot be sent`);
    fields[name] = marked(field, bytes);
  }
  return fields;
}
