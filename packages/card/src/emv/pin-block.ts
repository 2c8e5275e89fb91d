import { CardProblem, unmoved, unmovedCopy, xor as mixed } from "../bytes/index.js";
import type { Crypto } from "../crypto/index.js";
import { packNumeric } from "./digits.js";
import { panField } from "./pan.js";

/** A PIN as its digits, one (0 to 9) a byte, 4 to 12 of them: bytes can be wiped, text cannot. */
export type PinDigits = Uint8Array;

const problem = (hint: string): CardProblem => new CardProblem("bad-value", "PIN block", hint);

function check(pin: PinDigits): void {
  if (pin.length < 4 || pin.length > 12 || pin.some((digit) => digit > 9))
    throw problem("a PIN has 4 to 12 decimal digits");
}

/** Control nibble, length, digits, and what fills the rest; `size` bytes. */
function field(control: number, pin: PinDigits, size: number, fill: (at: number) => number): Uint8Array {
  check(pin);
  const nibble = (at: number): number =>
    at === 0 ? control : at === 1 ? pin.length : (pin[at - 2] ?? fill(at) & 0x0f);
  const bytes = unmoved(size);
  for (let at = 0; at < size; at++) bytes[at] = (nibble(2 * at) << 4) | nibble(2 * at + 1);
  return bytes;
}

/** The digits of a field; throws CardProblem `bad-value` when control, length, digits or fill are not of this format. */
function digitsOf(
  bytes: Uint8Array,
  control: number,
  right: (fill: number, at: number) => boolean,
  end = 16,
): PinDigits {
  const nibbles = unmoved(2 * bytes.length);
  bytes.forEach((byte, at) => {
    nibbles[2 * at] = byte >> 4;
    nibbles[2 * at + 1] = byte & 0x0f;
  });
  const length = nibbles[1] ?? 0;
  const pin = unmovedCopy(nibbles.subarray(2, 2 + length));
  try {
    if (nibbles[0] !== control) throw problem(`it is not of format ${control}`);
    check(pin);
    if (!nibbles.subarray(2 + length, end).every(right)) throw problem("its fill is not that of the format");
    return pin;
  } catch (wrong) {
    pin.fill(0);
    throw wrong;
  } finally {
    nibbles.fill(0);
  }
}

/** As `xor`, where the garbage collector moves nothing. */
function xor(one: Uint8Array, other: Uint8Array): Uint8Array {
  const small = mixed(one, other);
  const bytes = unmovedCopy(small);
  small.fill(0);
  return bytes;
}

/** What has a PIN in it is wiped as soon as it was used. */
function once<T>(clear: Uint8Array, use: (clear: Uint8Array) => T): T {
  try {
    return use(clear);
  } finally {
    clear.fill(0);
  }
}

const eight = (block: Uint8Array): void => {
  if (block.length !== 8) throw problem(`it has 8 bytes, not ${block.length}`);
};

/** ISO 9564-1 format 0: PIN field ⊕ PAN field. */
export const pinBlock0 = (pin: PinDigits, pan: string): Uint8Array =>
  once(
    field(0, pin, 8, () => 0x0f),
    (clear) => xor(clear, panField(pan)),
  );

export function pinOfBlock0(block: Uint8Array, pan: string): PinDigits {
  eight(block);
  return once(xor(block, panField(pan)), (clear) => digitsOf(clear, 0, (fill) => fill === 0x0f));
}

/** Format 1: no PAN; the rest is random or of the transaction. */
export const pinBlock1 = (pin: PinDigits, random: (length: number) => Uint8Array): Uint8Array => {
  const chance = random(16);
  return field(1, pin, 8, (at) => chance[at] ?? 0);
};

export function pinOfBlock1(block: Uint8Array): PinDigits {
  eight(block);
  return digitsOf(block, 1, () => true);
}

/** Format 2: for the card itself only. */
export const pinBlock2 = (pin: PinDigits): Uint8Array => field(2, pin, 8, () => 0x0f);

export function pinOfBlock2(block: Uint8Array): PinDigits {
  eight(block);
  return digitsOf(block, 2, (fill) => fill === 0x0f);
}

/** Format 3: as 0, filled with random digits A to F. */
export function pinBlock3(pin: PinDigits, pan: string, random: (length: number) => Uint8Array): Uint8Array {
  const chance: number[] = [];
  // Six values of a byte's 252 lowest are even odds; the rest is drawn again.
  while (chance.length < 16) for (const byte of random(16)) if (byte < 252) chance.push(10 + (byte % 6));
  return once(
    field(3, pin, 8, (at) => chance[at] ?? 10),
    (clear) => xor(clear, panField(pan)),
  );
}

export function pinOfBlock3(block: Uint8Array, pan: string): PinDigits {
  eight(block);
  return once(xor(block, panField(pan)), (clear) => digitsOf(clear, 3, (fill) => fill >= 10));
}

/** Format 4 (ISO 9564-1:2017, 9.4.2), enciphered: AES(AES(PIN field) ⊕ PAN field), 16 bytes. The key has 16, 24 or 32 bytes. */
export function encipheredPinBlock4(
  crypto: Crypto,
  key: Uint8Array,
  ask: { readonly pin: PinDigits; readonly pan: string; readonly random: (length: number) => Uint8Array },
): Uint8Array {
  const plain = field(4, ask.pin, 16, () => 0x0a);
  plain.set(ask.random(8), 8);
  const cipher = crypto.aes(key);
  const block = cipher.encrypt(xor(cipher.encrypt(plain), panField4(ask.pan)));
  plain.fill(0);
  cipher.wipe();
  return block;
}

export function pinOfEncipheredBlock4(
  crypto: Crypto,
  key: Uint8Array,
  block: Uint8Array,
  pan: string,
): PinDigits {
  if (block.length !== 16) throw problem(`an enciphered block of format 4 has 16 bytes, not ${block.length}`);
  const cipher = crypto.aes(key);
  const plain = cipher.decrypt(xor(cipher.decrypt(block), panField4(pan)));
  cipher.wipe();
  return once(plain, (clear) => digitsOf(clear, 4, (fill) => fill === 0x0a));
}

/** How many digits beyond twelve ‖ the whole PAN, at least twelve digits ‖ zeros. */
function panField4(pan: string): Uint8Array {
  if (!/^[0-9]{1,19}$/.test(pan)) throw new CardProblem("bad-value", "PAN", "it has at most 19 digits");
  const digits = pan.padStart(12, "0");
  return packNumeric(`${digits.length - 12}${digits}`.padEnd(32, "0"), 16);
}
