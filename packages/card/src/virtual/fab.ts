import { chipPage } from "./card.js";
import { layout, pageSize } from "./layout.js";
import { loaderContent, loaderTries } from "./loader.js";
import { pairPage } from "./memory.js";
import { blankPhase, phaseContent } from "./phase.js";
import type { EepromStore } from "./types.js";

/**
 * The EEPROM of a fresh chip as the fab leaves it: chip number, loader key, phase "ROM only"; all else erased.
 * Throws RangeError for a chip number that has not 10 bytes, a key that has not 16, or too few pages.
 */
export function fabricate(fresh: {
  readonly chipNumber: Uint8Array;
  readonly loaderKey: Uint8Array;
  readonly pages?: number;
  /** Its contacts speak T=0 and T=1, T=0 first; otherwise T=1 alone. */
  readonly offersT0?: boolean;
}): Uint8Array {
  const pages = fresh.pages ?? 512;
  if (fresh.loaderKey.length !== 16)
    throw new RangeError(`a loader key has 16 bytes, not ${fresh.loaderKey.length}`);
  if (pages <= layout.files / pageSize || pages > 512)
    throw new RangeError(`this chip has ${layout.files / pageSize + 1} to 512 pages, not ${pages}`);
  const bytes = new Uint8Array(pages * pageSize).fill(0xff);
  bytes.set(chipPage(fresh.chipNumber, pages, fresh.offersT0), layout.chipPage);
  bytes.set(pairPage(1, loaderContent(fresh.loaderKey, loaderTries)), layout.loaderPair);
  bytes.set(pairPage(1, phaseContent(blankPhase)), layout.phasePair);
  return bytes;
}

/** Silicon that lives as long as the process. `content` is copied. */
export function memoryStore(content: Uint8Array): EepromStore {
  const bytes = content.slice();
  return {
    pageSize,
    pages: bytes.length / pageSize,
    load: () => bytes.slice(),
    write: (page, written) => bytes.set(written, page * pageSize),
  };
}
