/** A card of another maker for the fuzzer: an ISO/IEC 7816 file system and a PIN with a counter, in memory that outlives the power. */
import { hex, readU16, u16, unhex, utf8 } from "@persoline/card/bytes";
import { findTlv, parseTlv } from "@persoline/card/tlv";
import type { VirtualCard } from "@persoline/card/virtual";

interface Ef {
  readonly fid: number;
  readonly sfi: number;
  /** One content of a transparent EF, or its EF records; hexadecimal. */
  readonly content: string[];
  readonly structure: "transparent" | "records";
}
interface Memory {
  readonly files: Ef[];
  tries: number;
}

const mostTries = 3;
const none = new Uint8Array(0);
const said = (sw: number, data: Uint8Array = none): Uint8Array => Uint8Array.of(...data, ...u16(sw));
/** What the maker printed on the box, padded with zeros to eight bytes. */
const makersPin = hex(utf8("1234")).padEnd(16, "0");

export const blankForeign = (): Uint8Array => written({ files: [], tries: mostTries });
export const triesBurnt = (content: Uint8Array): number => mostTries - memoryOf(content).tries;
const memoryOf = (content: Uint8Array): Memory => JSON.parse(Buffer.from(content).toString()) as Memory;
const written = (memory: Memory): Uint8Array => utf8(JSON.stringify(memory));

export class ForeignCard implements VirtualCard {
  readonly #atr: Uint8Array;
  readonly #memory: Memory;
  #current: Ef | undefined;
  readonly counters = { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 };

  constructor(atr: Uint8Array, content: Uint8Array) {
    this.#atr = atr;
    this.#memory = memoryOf(content);
  }
  content(): Uint8Array {
    return written(this.#memory);
  }
  get elapsedMicros(): number {
    return 1000 * this.counters.apdus;
  }
  powerOn(): Uint8Array {
    this.#current = undefined;
    return this.#atr.slice();
  }
  warmReset(): Uint8Array {
    return this.powerOn();
  }
  powerOff(): void {
    this.#current = undefined;
  }

  transmit(apdu: Uint8Array): Uint8Array {
    this.counters.apdus++;
    const [, ins, p1 = 0, p2 = 0, lc = 0] = apdu;
    const data = apdu.length > 5 ? apdu.subarray(5, 5 + lc) : none;
    switch (ins) {
      case 0xa4:
        return this.#select(data);
      case 0xe0:
        return this.#create(data);
      case 0xd6:
        return this.#update((p1 << 8) | p2, data);
      case 0xb0:
        return this.#read((p1 << 8) | p2, apdu[4] ?? 0);
      case 0xe2:
        return this.#append(data);
      case 0xb2:
        return this.#readRecord(p1, p2 >> 3);
      case 0x20:
        return this.#verify(data);
      default:
        return said(0x6d00);
    }
  }

  #select(data: Uint8Array): Uint8Array {
    const fid = data.length === 2 ? readU16(data, 0) : 0x3f00;
    const found = this.#memory.files.find((one) => one.fid === fid);
    if (found === undefined && fid !== 0x3f00) return said(0x6a82);
    this.#current = found;
    return said(0x9000);
  }

  #create(data: Uint8Array): Uint8Array {
    const fcp = findTlv(parseTlv(data), 0x62)?.children ?? [];
    const value = (tag: number): Uint8Array => findTlv(fcp, tag)?.value ?? none;
    const fid = readU16(value(0x83), 0);
    if (this.#memory.files.some((one) => one.fid === fid)) return said(0x6a89);
    const isTransparent = ((value(0x82)[0] ?? 0) & 0x07) === 1;
    const size = isTransparent ? readU16(value(0x80), 0) : 0;
    this.#current = {
      fid,
      sfi: (value(0x88)[0] ?? 0) >> 3,
      structure: isTransparent ? "transparent" : "records",
      content: isTransparent ? ["00".repeat(size)] : [],
    };
    this.#memory.files.push(this.#current);
    this.counters.pagesWritten++;
    return said(0x9000);
  }

  #update(offset: number, data: Uint8Array): Uint8Array {
    const file = this.#current;
    if (file?.structure !== "transparent") return said(0x6986);
    const body = unhex(file.content[0] ?? "");
    if (offset + data.length > body.length) return said(0x6b00);
    body.set(data, offset);
    file.content[0] = hex(body);
    this.counters.pagesWritten++;
    return said(0x9000);
  }

  #read(offset: number, length: number): Uint8Array {
    const file = this.#current;
    if (file?.structure !== "transparent") return said(0x6986);
    return said(0x9000, unhex(file.content[0] ?? "").subarray(offset, offset + length));
  }

  #append(data: Uint8Array): Uint8Array {
    const file = this.#current;
    if (file?.structure !== "records") return said(0x6986);
    file.content.push(hex(data));
    this.counters.pagesWritten++;
    return said(0x9000);
  }

  #readRecord(number: number, sfi: number): Uint8Array {
    const named = sfi === 0 ? this.#current : this.#memory.files.find((one) => one.sfi === sfi);
    if (named?.structure !== "records") return said(0x6a82);
    this.#current = named;
    const record = named.content[number - 1];
    return record === undefined ? said(0x6a83) : said(0x9000, unhex(record));
  }

  #verify(pin: Uint8Array): Uint8Array {
    const memory = this.#memory;
    if (pin.length === 0 || memory.tries === 0)
      return said(memory.tries === 0 ? 0x6983 : 0x63c0 | memory.tries);
    memory.tries = hex(pin) === makersPin ? mostTries : memory.tries - 1;
    this.counters.pagesWritten++;
    return said(memory.tries === mostTries ? 0x9000 : 0x63c0 | memory.tries);
  }
}
