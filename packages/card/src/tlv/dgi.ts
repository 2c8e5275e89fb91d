import { CardProblem, concat, readU16, u16 } from "../bytes/index.js";

/** One data grouping of STORE DATA: a two-byte identifier and 0..65534 bytes (EMV CPS 1.1; GPCS 11.11). */
export interface Dgi {
  readonly id: number;
  readonly value: Uint8Array;
}

const LONGEST = 65534;

/** Identifier, length (00..FE, or FF and two bytes from 255 up), value. Throws CardProblem `bad-dgi`. */
export function encodeDgi(id: number, value: Uint8Array): Uint8Array {
  if (!Number.isInteger(id) || id < 0 || id > 0xffff)
    throw new CardProblem("bad-dgi", "DGI", `${id} is not a DGI identifier`);
  if (value.length > LONGEST)
    throw new CardProblem("bad-dgi", dgiName(id), `${value.length} bytes are more than ${LONGEST}`);
  const length =
    value.length < 255 ? Uint8Array.of(value.length) : concat(Uint8Array.of(0xff), u16(value.length));
  return concat(u16(id), length, value);
}

/** All groupings in a row, nothing left over. Values are views of the input. Throws CardProblem `bad-dgi` with the offset. */
export function parseDgis(bytes: Uint8Array): Dgi[] {
  const groupings: Dgi[] = [];
  let at = 0;
  while (at < bytes.length) {
    const where = `DGI, offset ${at}`;
    if (at + 3 > bytes.length) throw new CardProblem("bad-dgi", where, "identifier and length are cut off");
    const id = readU16(bytes, at);
    let length = bytes[at + 2] ?? 0;
    let start = at + 3;
    if (length === 0xff) {
      if (start + 2 > bytes.length) throw new CardProblem("bad-dgi", where, "the length is cut off");
      length = readU16(bytes, start);
      start += 2;
      if (length < 255 || length > LONGEST)
        throw new CardProblem("bad-dgi", where, "the long form is for 255 to 65534 bytes");
    }
    if (start + length > bytes.length) {
      throw new CardProblem(
        "bad-dgi",
        where,
        `${dgiName(id)} should have ${length} bytes, ${bytes.length - start} are there`,
      );
    }
    groupings.push({ id, value: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return groupings;
}

const dgiName = (id: number) => `DGI ${id.toString(16).toUpperCase().padStart(4, "0")}`;
