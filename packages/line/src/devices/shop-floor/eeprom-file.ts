import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { EepromStore } from "@persoline/card/virtual";
import { DeviceFault } from "../problem.js";

export const eepromPageSize = 64;
export const eepromPages = 512;

/** Sizes of the chips there are: DESFire-style ones, and all others. */
const sizes = [eepromPageSize * 128, eepromPageSize * eepromPages];
/** Most bytes of a run of test pages. */
const runAtMost = 64 * eepromPageSize;
const erased = Buffer.alloc(eepromPageSize, 0xff);
/** What TEST EEPROM writes (docs/card-os.md 2), page after page: nothing that a tear could spoil. */
const chessboards = [0xaa55, 0x55aa].map((pair) =>
  Buffer.alloc(eepromPageSize, Uint8Array.of(pair >> 8, pair & 0xff)),
);

export interface EepromFile extends EepromStore {
  close(): void;
}

/**
 * The silicon of one body: a file of 32 KiB (DESFire-style: 8 KiB), page by page. A page is erased, then written, in two writes of their own: a kill
 * between them leaves the page erased, as a power failure would. A page that is erased already needs no erasing, one that is only
 * to be erased no writing, and pages of a test pattern go into the file in runs. Not synced: the shop floor is the physical world.
 */
export function openEeprom(file: string): EepromFile {
  const descriptor = openSync(file, "r+");
  let open = true;
  const bytes = fstatSync(descriptor).size;
  const pages = bytes / eepromPageSize;
  /** As the file is: nobody else writes it while it is open. */
  const content = new Uint8Array(bytes);
  let loaded = false;
  const read = (): void => {
    if (!sizes.includes(bytes))
      throw new DeviceFault(
        "shop floor",
        "refused",
        `${file} has ${bytes} bytes: no chip has a memory of that size`,
      );
    let filled = 0;
    while (filled < bytes) {
      const more = readSync(descriptor, content, filled, bytes - filled, filled);
      if (more === 0)
        throw new DeviceFault("shop floor", "refused", `${file} became shorter while it was read`);
      filled += more;
    }
    loaded = true;
  };
  const put = (at: number, page: Uint8Array): void => {
    writeSync(descriptor, page, 0, eepromPageSize, at);
    content.set(page, at);
  };
  /** Test pages in `content` that the file does not have yet. */
  const run = { from: 0, to: 0 };
  const endRun = (): void => {
    if (run.to > run.from) writeSync(descriptor, content, run.from, run.to - run.from, run.from);
    run.from = run.to;
  };
  const test = (at: number, page: Uint8Array): void => {
    if (at !== run.to || run.to - run.from >= runAtMost) {
      endRun();
      run.from = at;
    }
    content.set(page, at);
    run.to = at + eepromPageSize;
  };
  const isErased = (at: number): boolean => erased.equals(content.subarray(at, at + eepromPageSize));
  return {
    pageSize: eepromPageSize,
    pages,
    load: () => {
      if (!loaded) read();
      return content;
    },
    write: (page, written) => {
      if (page < 0 || page >= pages || written.length !== eepromPageSize) {
        throw new RangeError(
          `a chip writes whole pages: page ${String(page)}, ${String(written.length)} bytes`,
        );
      }
      if (!loaded) read();
      const at = page * eepromPageSize;
      if (chessboards.some((board) => board.equals(written))) {
        test(at, written);
        return;
      }
      endRun();
      if (!isErased(at)) put(at, erased);
      if (!erased.equals(written)) put(at, written);
    },
    close: () => {
      if (!open) return;
      open = false;
      endRun();
      closeSync(descriptor);
    },
  };
}
