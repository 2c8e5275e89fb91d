const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 (IEEE 802.3) of a part of the bytes. */
export function crc32(bytes: Uint8Array, from: number, to: number): number {
  let c = 0xffffffff;
  for (let at = from; at < to; at++) c = (TABLE[(c ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Closes a page: CRC-32 over all before it in the last four bytes. */
export function seal(page: Uint8Array): Uint8Array {
  const crc = crc32(page, 0, page.length - 4);
  for (let at = 0; at < 4; at++) page[page.length - 4 + at] = (crc >>> (24 - 8 * at)) & 0xff;
  return page;
}

export function isSealed(page: Uint8Array): boolean {
  const crc = crc32(page, 0, page.length - 4);
  for (let at = 0; at < 4; at++)
    if (page[page.length - 4 + at] !== ((crc >>> (24 - 8 * at)) & 0xff)) return false;
  return true;
}
