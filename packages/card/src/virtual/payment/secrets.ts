import type { Chip } from "../chip.js";
import { padded, TripleDes } from "../gp/ciphers.js";
import { join } from "../os/command.js";

/** Lowest bit of each byte so that its ones are odd in number. */
function adjusted(key: Uint8Array): Uint8Array {
  for (let at = 0; at < key.length; at++) {
    let parity = key[at] ?? 0;
    parity ^= parity >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    if ((parity & 1) === 0) key[at] = (key[at] ?? 0) ^ 1;
  }
  return key;
}

/** Both halves from eight bytes, whose third says which half it is (EMV Book 2, A1.3.1). */
export function halvesFrom(chip: Chip, key: Uint8Array, from: Uint8Array): Uint8Array {
  const des = new TripleDes(chip, key);
  const [low, high] = [from.slice(), from.slice()];
  low.set([0xf0], 2);
  high.set([0x0f], 2);
  return adjusted(join(des.encryptEcb(low), des.encryptEcb(high)));
}

/** The session key of a transaction's cryptograms. */
export const keyForTransaction = (chip: Chip, key: Uint8Array, atc: number): Uint8Array =>
  halvesFrom(chip, key, Uint8Array.of(atc >> 8, atc & 0xff, 0, 0, 0, 0, 0, 0));

/** Retail MAC of a message that is padded with zeros only. */
export function macWithZeros(chip: Chip, key: Uint8Array, message: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(Math.ceil(message.length / 8) * 8);
  blocks.set(message);
  const whole = new TripleDes(chip, key);
  let chain = new Uint8Array(8);
  for (let at = 0; at < blocks.length; at += 8) {
    const block = Uint8Array.from(blocks.subarray(at, at + 8), (byte, i) => byte ^ (chain[i] ?? 0));
    chain = new Uint8Array(at + 8 < blocks.length ? whole.single(block) : whole.encryptEcb(block));
  }
  return chain;
}

export const macOf = (
  chip: Chip,
  key: Uint8Array,
  message: Uint8Array,
  initial: Uint8Array = new Uint8Array(8),
): Uint8Array => new TripleDes(chip, key).retailMac(initial, message);

/** What a script brought in CBC, without its padding; undefined when it has none. */
export function openedScript(chip: Chip, key: Uint8Array, data: Uint8Array): Uint8Array | undefined {
  if (data.length === 0 || data.length % 8 !== 0) return undefined;
  const plain = new TripleDes(chip, key).decryptCbc(data);
  const whole = padded(new Uint8Array(8), 8);
  return plain.length === 16 && plain.subarray(8).every((byte, at) => byte === whole[8 + at])
    ? plain.slice(0, 8)
    : undefined;
}
