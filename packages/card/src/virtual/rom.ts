import { crc32 } from "./crc32.js";
import { routine } from "./routines.js";

/** Fixed content of the mask ROM, version 1.0 (docs/card-os.md, section 9). */
export const romSize = 8192;
export const romVersion = { major: 1, minor: 0 } as const;
export const ramSize = 2048;

const areaSize = 128;

/** What the mask holds, by number of its area: the commands of the operating system, then those of the loader. */
const areas: readonly (readonly [number, string])[] = [
  [routine.select, "SELECT"],
  [routine.getData, "GET DATA"],
  [routine.initializeUpdate, "INITIALIZE UPDATE"],
  [routine.externalAuthenticateChannel, "EXTERNAL AUTHENTICATE CHANNEL"],
  [routine.createFile, "CREATE FILE"],
  [routine.deleteFile, "DELETE FILE"],
  [routine.activateFile, "ACTIVATE FILE"],
  [routine.deactivateFile, "DEACTIVATE FILE"],
  [routine.terminateCardUsage, "TERMINATE CARD USAGE"],
  [routine.readBinary, "READ BINARY"],
  [routine.updateBinary, "UPDATE BINARY"],
  [routine.readRecord, "READ RECORD"],
  [routine.updateRecord, "UPDATE RECORD"],
  [routine.appendRecord, "APPEND RECORD"],
  [routine.verify, "VERIFY"],
  [routine.changeReferenceData, "CHANGE REFERENCE DATA"],
  [routine.resetRetryCounter, "RESET RETRY COUNTER"],
  [routine.getChallenge, "GET CHALLENGE"],
  [routine.internalAuthenticate, "INTERNAL AUTHENTICATE"],
  [routine.externalAuthenticate, "EXTERNAL AUTHENTICATE"],
  [routine.putKey, "PUT KEY"],
  [routine.setStatus, "SET STATUS"],
  [routine.proveFile, "PROVE FILE"],
  [routine.cyclicSlot, "CYCLIC SLOT"],
  [0x30, "TEST RAM"],
  [0x31, "ROM CHECKSUM"],
  [0x32, "EEPROM CHECKSUM"],
  [0x33, "TEST EEPROM"],
  [0x34, "INITIALIZE LOADER"],
  [0x35, "AUTHENTICATE LOADER"],
  [0x36, "LOAD BLOCK"],
  [0x37, "LOAD KEYS"],
  [0x38, "ACTIVATE"],
];

function makeRom(): Uint8Array {
  const rom = new Uint8Array(romSize).fill(0xff);
  rom.set([0x50, 0x53, 0x4c, 0x52, romVersion.major, romVersion.minor]);
  for (const [number, name] of areas) {
    rom.set(machineCode(name, areaSize), number * areaSize);
  }
  return rom;
}

/** Stands for machine code: the name, 00, then xorshift32 from the CRC of the name. */
export function machineCode(name: string, length: number): Uint8Array {
  const ascii = new TextEncoder().encode(name);
  const code = new Uint8Array(length);
  code.set(ascii);
  let x = crc32(ascii);
  for (let at = ascii.length + 1; at < length; at++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    code[at] = x & 0xff;
  }
  return code;
}

let mask: Uint8Array | undefined;

/** CRC-32 of the ROM; a faulty one has one bit wrong. */
export function romChecksum(faulty: boolean): number {
  mask ??= makeRom();
  if (!faulty) return crc32(mask);
  const broken = mask.slice();
  broken[0x1234] = (broken[0x1234] ?? 0) ^ 0x10;
  return crc32(broken);
}

const numbers = new Set(areas.map(([number]) => number).filter((number) => number < 0x30));

/**
 * The ROM's own routine; undefined when the mask has none of this number. Version 1.0 computes the cyclic slot with a
 * mask of bits, right only when the number of records is a power of two: image 1.2 mends it.
 */
export function romRoutine(
  number: number,
  load8: (address: number) => number,
): ((address: number) => number) | undefined {
  if (!numbers.has(number)) return undefined;
  if (number !== routine.cyclicSlot) return () => 0;
  return (address) => (load8(address) - 1) & (load8(address + 1) - 1);
}
