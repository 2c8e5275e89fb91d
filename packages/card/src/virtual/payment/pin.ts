import { type Answer, type Apdu, same, status, SW, triesLeft } from "../os/command.js";
import type { Work } from "./cryptogram.js";
import { DGI } from "./data.js";
import { keyOf } from "./personalize.js";
import { decipher } from "./signature.js";

const none = new Uint8Array(0);

/** VERIFY (docs/payment-card.md 4): the try is gone before anything is looked at. */
export function verify(
  { chip, store, now }: Work,
  { p1, p2, data }: Apdu,
  challenge: Uint8Array | undefined,
): Answer {
  const reference = store.files.get(DGI.pin);
  const enciphered = p2 === 0x88;
  if (p1 !== 0 || (p2 !== 0x80 && !enciphered)) return status(SW.wrongP1P2);
  const key = keyOf(store.files, DGI.pinKey) ?? keyOf(store.files, DGI.iccKey);
  if (reference === undefined || (enciphered && key === undefined)) return status(SW.referenceNotFound);
  const { tries, limit } = store.counters;
  if (tries === 0) return status(SW.blocked);
  if (data.length !== (enciphered && key !== undefined ? 2 * key.p.length : 8)) return status(SW.wrongLength);
  if (enciphered && challenge === undefined) return status(SW.conditionsNotSatisfied);
  store.change({ tries: tries - 1 });
  now.pin = "wrong";
  let block = data;
  if (enciphered && key !== undefined) {
    // Above the modulus there is nothing to decipher: wrong, and it has cost its try.
    const opened = isBelow(data, key.p, key.q) ? decipher(chip, key, data) : none;
    const fits = opened[0] === 0x7f && same(opened.subarray(9, 17), challenge ?? none);
    block = fits ? opened.subarray(1, 9) : none;
  }
  if (!same(block, reference)) return triesLeft(tries - 1);
  store.change({ tries: limit });
  now.pin = "right";
  return status(SW.ok);
}

const big = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const isBelow = (block: Uint8Array, p: Uint8Array, q: Uint8Array): boolean => big(block) < big(p) * big(q);
