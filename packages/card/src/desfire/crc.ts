const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 of IEEE 802.3 without its final complement ("JAMCRC"), least significant byte first. */
export function crc32Native(...parts: readonly Uint8Array[]): Uint8Array {
  let c = 0xffffffff;
  for (const part of parts) for (const byte of part) c = (table[(c ^ byte) & 0xff] ?? 0) ^ (c >>> 8);
  return Uint8Array.of(c & 0xff, (c >>> 8) & 0xff, (c >>> 16) & 0xff, c >>> 24);
}
