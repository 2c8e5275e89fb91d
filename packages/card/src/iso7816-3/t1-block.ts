import { CardProblem } from "../bytes/index.js";

/** A block of T=1 (ISO/IEC 7816-3, 11.3), by the meaning of its PCB. */
export type Block =
  | { readonly kind: "I"; readonly ns: 0 | 1; readonly more: boolean; readonly inf: Uint8Array }
  | { readonly kind: "R"; readonly nr: 0 | 1; readonly error: "none" | "edc" | "other" }
  | {
      readonly kind: "S";
      readonly what: "resynch" | "ifs" | "abort" | "wtx";
      readonly response: boolean;
      /** IFS and WTX: the one byte of the information field. */
      readonly value?: number;
    };

export type Edc = "LRC" | "CRC";

const S_CODES = ["resynch", "ifs", "abort", "wtx"] as const;
const R_ERRORS = ["none", "edc", "other"] as const;

/** Bytes of a block; NAD 00. Throws CardProblem `bad-value` for an information field of more than 254 bytes. */
export function encodeBlock(block: Block, edc: Edc): Uint8Array {
  const inf = informationOf(block);
  if (inf.length > 254)
    throw new CardProblem("bad-value", "T=1 block", `${String(inf.length)} bytes are more than 254`);
  const body = Uint8Array.of(0x00, pcbOf(block), inf.length, ...inf);
  return Uint8Array.of(...body, ...checkOf(body, edc));
}

function informationOf(block: Block): Uint8Array {
  if (block.kind === "I") return block.inf;
  return block.kind === "S" && block.value !== undefined ? Uint8Array.of(block.value) : new Uint8Array(0);
}

function pcbOf(block: Block): number {
  switch (block.kind) {
    case "I":
      return (block.ns << 6) | (block.more ? 0x20 : 0);
    case "R":
      return 0x80 | (block.nr << 4) | R_ERRORS.indexOf(block.error);
    case "S":
      return 0xc0 | (block.response ? 0x20 : 0) | S_CODES.indexOf(block.what);
  }
}

/** Whole blocks only. `edc`: characters or check are damaged; `other`: understood, but no block of T=1 (11.6.3 tells them apart). */
export type ReadBlock = Block | { readonly kind: "invalid"; readonly why: "edc" | "other" };

/** Reads the bytes of one block; NAD has to be 00, for no other was ever sent. Never throws. */
export function decodeBlock(bytes: Uint8Array, edc: Edc): ReadBlock {
  const size = edc === "LRC" ? 1 : 2;
  const [nad, pcb, length] = bytes;
  const invalid = (why: "edc" | "other"): ReadBlock => ({ kind: "invalid", why });
  if (nad === undefined || pcb === undefined || length === undefined) return invalid("other");
  if (length === 0xff || bytes.length !== 3 + length + size) return invalid("other");
  const check = checkOf(bytes.subarray(0, 3 + length), edc);
  if (check.some((byte, at) => bytes[3 + length + at] !== byte)) return invalid("edc");
  // b8 and b4 of NAD are ignored (11.3.2.1).
  if ((nad & 0x77) !== 0) return invalid("other");
  return meaningOf(pcb, bytes.slice(3, 3 + length)) ?? invalid("other");
}

function meaningOf(pcb: number, inf: Uint8Array): Block | undefined {
  if ((pcb & 0x80) === 0) {
    if ((pcb & 0x1f) !== 0) return undefined;
    return { kind: "I", ns: bit(pcb >> 6), more: (pcb & 0x20) !== 0, inf };
  }
  if ((pcb & 0x40) === 0) {
    const error = R_ERRORS[pcb & 0x0f];
    if ((pcb & 0x20) !== 0 || error === undefined || inf.length > 0) return undefined;
    return { kind: "R", nr: bit(pcb >> 4), error };
  }
  const what = S_CODES[pcb & 0x1f];
  if (what === undefined) return undefined;
  const response = (pcb & 0x20) !== 0;
  const valued = what === "ifs" || what === "wtx";
  const value = inf[0];
  if (inf.length !== (valued ? 1 : 0)) return undefined;
  if (value === undefined) return { kind: "S", what, response };
  if (what === "ifs" && (value === 0x00 || value === 0xff)) return undefined;
  return { kind: "S", what, response, value };
}

const bit = (value: number): 0 | 1 => ((value & 1) === 0 ? 0 : 1);

/** LRC: XOR of all bytes. CRC: ISO/IEC 13239, x^16+x^12+x^5+1, preset FFFF, complemented, most significant byte first (11.3.4). */
function checkOf(bytes: Uint8Array, edc: Edc): number[] {
  if (edc === "LRC") return [bytes.reduce((xored, byte) => xored ^ byte, 0)];
  let register = 0xffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let shift = 0; shift < 8; shift++)
      register = (register & 1) === 0 ? register >> 1 : (register >> 1) ^ 0x8408;
  }
  const crc = ~register & 0xffff;
  return [crc >> 8, crc & 0xff];
}
