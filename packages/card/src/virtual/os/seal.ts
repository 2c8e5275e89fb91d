import { crc32 } from "../crc32.js";

/** Closes a page: CRC-32 of all before it in the last four bytes. */
export function seal(page: Uint8Array): Uint8Array {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  view.setUint32(page.length - 4, crc32(page, 0, page.length - 4));
  return page;
}

export function isSealed(page: Uint8Array): boolean {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  return view.getUint32(page.length - 4) === crc32(page, 0, page.length - 4);
}
