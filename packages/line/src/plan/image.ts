import { readU16 } from "@persoline/card/bytes";

/** A completion image's header (docs/card-os.md 3). The whole file lies in EEPROM, its header in the 16 bytes before the load address. */
export interface CompletionImage {
  readonly os: { readonly major: number; readonly minor: number };
  readonly rom: { readonly major: number; readonly minor: number };
  /** Where the file's first byte comes to lie. */
  readonly start: number;
  readonly bytes: Uint8Array;
  /** Numbers of the routines that its link table names: what a completed card can do. */
  readonly links: ReadonlySet<number>;
}

const headerSize = 16;
const area = { from: 0x0280, to: 0x2000 } as const;

/** IEEE 802.3, as zip and Ethernet have it. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The image, or what is wrong with the file in words. */
export function readImage(bytes: Uint8Array): CompletionImage | string {
  const magic = [0x50, 0x53, 0x4c, 0x49];
  if (bytes.length < headerSize + 3 || magic.some((byte, at) => bytes[at] !== byte)) {
    return "this is not a completion image (it does not begin with PSLI)";
  }
  const [, , , , osMajor = 0, osMinor = 0, romMajor = 0, romMinor = 0] = bytes;
  const load = readU16(bytes, 8);
  const length = readU16(bytes, 10);
  if (bytes.length !== headerSize + length) {
    return `its header announces ${headerSize + length} bytes, the file has ${bytes.length}`;
  }
  const crc = readU16(bytes, 12) * 0x10000 + readU16(bytes, 14);
  if (crc !== crc32(bytes.subarray(headerSize))) return "its checksum is wrong: the file is damaged";
  const start = load - headerSize;
  if (start < area.from || start + bytes.length > area.to) {
    return "it does not lie within 0280 to 1FFF, where images belong";
  }
  const linked = bytes[headerSize] ?? 0;
  if (bytes.length < headerSize + 1 + 2 * linked) return "its link table is cut off";
  const links = new Set(Array.from({ length: linked }, (_, at) => bytes[headerSize + 1 + 2 * at] ?? 0));
  return {
    os: { major: osMajor, minor: osMinor },
    rom: { major: romMajor, minor: romMinor },
    start,
    bytes,
    links,
  };
}
