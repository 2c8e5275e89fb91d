/** Keys that are printed in specifications, manuals and programs: known by their digests, so that none stands in the program itself. */
import { createHash } from "node:crypto";
import { oddParity } from "@persoline/card/keyblock";

/** First eight bytes of SHA-256 of each value. */
const DIGESTS: ReadonlySet<string> = new Set([
  "ba22b7dc95f6cc87",
  "411d3f1d2390ff3f",
  "223e0a160af9da0a",
  "ed965a9d4e0519d7",
  "d4ffb8b77f7d6b26",
  "80fa5ff8e512e1d1",
  "b93c72b74bc8487d",
  "76e685103a357231",
  "33afcc98daef36c4",
  "552d88c0219eb03a",
  "7a08d1174bec46c2",
  "ba91fe1338cdcdec",
  "3d5234377c32058b",
  "86cf86e182634dbd",
  "86a896b85308ef23",
  "709f5273abb3e1f4",
  // As DES keys of odd parity.
  "53b56d97f5c580ca",
  "feb608c1c162598e",
  "fe4e6c8d33136289",
  "f349bcb62018afe7",
  "60d1a0ca05aed085",
  // The point of the examples' authority.
  "6879dc3c78f72503",
]);

const digest = (key: Uint8Array): string => createHash("sha256").update(key).digest("hex").slice(0, 16);

/** The lowest bit of a DES key's byte is parity, and makes no other key. */
const alike = (one: number, other: number): boolean => one >> 1 === (other & 0xff) >> 1;

/**
 * True for a key that everybody may know, whatever its parity bits, and for one whose bytes are all the same or count up: ceremonies and other
 * systems adjust the parity of DES keys.
 */
export function isKnownKey(key: Uint8Array): boolean {
  const [first = 0] = key;
  if (key.every((byte) => alike(byte, first))) return true;
  const counts = (from: number): boolean => key.every((byte, at) => alike(byte, from + at));
  if (counts(first & 0xfe) || counts(first | 0x01)) return true;
  return DIGESTS.has(digest(key)) || DIGESTS.has(digest(oddParity(key)));
}
