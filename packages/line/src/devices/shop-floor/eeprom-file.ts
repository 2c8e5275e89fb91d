import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { EepromStore } from "@persoline/card/virtual";
import { DeviceFault } from "../problem.js";

export const eepromPageSize = 64;
export const eepromPages = 512;

const erased = new Uint8Array(eepromPageSize).fill(0xff);

const isErased = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0xff);

export interface EepromFile extends EepromStore {
  close(): void;
}

/**
 * The silicon of one body: a file of 32 KiB, page by page. A page is erased, then written, in two writes of their own: a kill
 * between them leaves the page erased, as a power failure would. A page that is erased already needs no erasing, and one that is only
 * to be erased no writing. Not synced: the shop floor is the physical world.
 */
export function openEeprom(file: string): EepromFile {
  const descriptor = openSync(file, "r+");
  let open = true;
  /** 1: known to be erased. */
  const blank = new Uint8Array(eepromPages);
  const put = (page: number, bytes: Uint8Array): void => {
    writeSync(descriptor, bytes, 0, eepromPageSize, page * eepromPageSize);
  };
  return {
    pageSize: eepromPageSize,
    pages: eepromPages,
    load: () => {
      const bytes = new Uint8Array(eepromPageSize * eepromPages);
      let filled = 0;
      while (filled < bytes.length) {
        const read = readSync(descriptor, bytes, filled, bytes.length - filled, filled);
        if (read === 0) throw new DeviceFault("shop floor", "refused", `${file} has fewer than 32 KiB`);
        filled += read;
      }
      for (let page = 0; page < eepromPages; page++) {
        const at = page * eepromPageSize;
        blank[page] = isErased(bytes.subarray(at, at + eepromPageSize)) ? 1 : 0;
      }
      return bytes;
    },
    write: (page, bytes) => {
      if (page < 0 || page >= eepromPages || bytes.length !== eepromPageSize) {
        throw new RangeError(
          `a chip writes whole pages: page ${String(page)}, ${String(bytes.length)} bytes`,
        );
      }
      if (blank[page] !== 1) put(page, erased);
      blank[page] = 1;
      if (isErased(bytes)) return;
      blank[page] = 0;
      put(page, bytes);
    },
    close: () => {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
