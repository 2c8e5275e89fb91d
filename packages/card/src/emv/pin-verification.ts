import { CardProblem, hex, unhex, unmoved, xor } from "../bytes/index.js";
import type { Crypto } from "../crypto/index.js";
import type { PinDigits } from "./pin-block.js";

const decimals = (digits: string): number[] => Array.from(digits, Number);

/** The first `count` decimal digits of a block; what is missing comes from its letters minus ten. */
function decimalized(block: Uint8Array, count: number): string {
  const nibbles = Array.from(hex(block), (digit) => Number.parseInt(digit, 16));
  const all = [
    ...nibbles.filter((one) => one < 10),
    ...nibbles.filter((one) => one >= 10).map((one) => one - 10),
  ];
  return all.slice(0, count).join("");
}

/** PIN verification value, four digits: of 11 digits of the PAN, the key's index (0 to 9) and the first four digits of the PIN. */
export function pinVerificationValue(
  crypto: Crypto,
  key: Uint8Array,
  ask: { readonly pan: string; readonly keyIndex: number; readonly pin: PinDigits },
): string {
  const { pan, keyIndex, pin } = ask;
  if (!/^[0-9]{12,19}$/.test(pan)) throw new CardProblem("bad-value", "PVV", "the PAN has 12 to 19 digits");
  if (!Number.isInteger(keyIndex) || keyIndex < 0 || keyIndex > 9)
    throw new CardProblem("bad-value", "PVV", "the key index is one digit");
  if (pin.length < 4 || pin.some((digit) => digit > 9))
    throw new CardProblem("bad-value", "PVV", "the PIN has at least four digits");
  // The PIN's digits come as bytes and stay bytes: a text could not be wiped.
  const input = unmoved(8);
  input.set(unhex(`${pan.slice(-12, -1)}${keyIndex}`));
  for (const at of [0, 1]) input[6 + at] = ((pin[2 * at] ?? 0) << 4) | (pin[2 * at + 1] ?? 0);
  const cipher = crypto.des3(key);
  const block = cipher.encrypt(input);
  cipher.wipe();
  input.fill(0);
  return decimalized(block, 4);
}

/** The IBM 3624 way: which digits of the PAN validate, what fills them up, and how hexadecimal digits become decimal ones. */
export interface Ibm3624 {
  /** 16 decimal digits: what 0 to F become. */
  readonly table: string;
  /** Digits of the PAN from here … */
  readonly from: number;
  /** … up to here, not included. */
  readonly to: number;
  /** One hexadecimal digit. */
  readonly pad: string;
}

/** The PIN that follows from PAN and key alone; `length` digits. The caller wipes it. */
export function naturalPin(
  crypto: Crypto,
  key: Uint8Array,
  ask: { readonly pan: string; readonly length: number; readonly form: Ibm3624 },
): PinDigits {
  const { pan, length, form } = ask;
  if (!/^[0-9]{16}$/.test(form.table) || !/^[0-9A-F]$/.test(form.pad))
    throw new CardProblem("bad-value", "IBM 3624", "the table has 16 digits, the pad is one digit");
  if (!/^[0-9]{8,19}$/.test(pan) || form.to - form.from > 16 || form.from < 0 || length < 4 || length > 12)
    throw new CardProblem("bad-value", "IBM 3624", "PAN, its part or the length of the PIN is impossible");
  const cipher = crypto.des3(key);
  const block = cipher.encrypt(unhex(pan.slice(form.from, form.to).padEnd(16, form.pad)));
  cipher.wipe();
  const pin = unmoved(length);
  for (let at = 0; at < length; at++) {
    const nibble = ((block[at >> 1] ?? 0) >> (at % 2 === 0 ? 4 : 0)) & 0x0f;
    pin[at] = Number(form.table[nibble]);
  }
  block.fill(0);
  return pin;
}

/** What is added to the natural PIN, digit by digit modulo ten, to get the customer's own. */
export function pinOffset(natural: PinDigits, pin: PinDigits): string {
  if (natural.length !== pin.length)
    throw new CardProblem("bad-value", "IBM 3624", "both PINs have one length");
  return Array.from(pin, (digit, at) => (digit + 10 - (natural[at] ?? 0)) % 10).join("");
}

export function pinFromOffset(natural: PinDigits, offset: string): PinDigits {
  if (!/^[0-9]+$/.test(offset) || offset.length !== natural.length)
    throw new CardProblem("bad-value", "IBM 3624", "the offset has a digit for each of the PIN");
  return Uint8Array.from(decimals(offset), (digit, at) => (digit + (natural[at] ?? 0)) % 10);
}

/** As most issuers have it: the twelve rightmost digits of the PAN without its check digit, padded with F. */
export const usualIbm3624 = (pan: string): Ibm3624 => {
  const to = pan.length - 1;
  return { table: "0123456789012345", pad: "F", from: to - 12, to };
};

/**
 * What tracks say of the PIN behind the index of its key (0 to 9): the verification value of Visa, or an IBM 3624 offset, which has a digit
 * for each of the PIN.
 */
export type PinVerification =
  | { readonly by: "pvv"; readonly keyIndex: number }
  | { readonly by: "offset"; readonly keyIndex: number; readonly digits: number };

/** With the index: so many digits. */
export const pinVerificationDigits = (said: PinVerification): number =>
  1 + (said.by === "pvv" ? 4 : said.digits);

/** Index, and value or offset. `key` is of one of the two purposes. */
export function pinVerificationText(
  crypto: Crypto,
  key: Uint8Array,
  { pan, pin, said }: { readonly pan: string; readonly pin: PinDigits; readonly said: PinVerification },
): string {
  const { by, keyIndex } = said;
  if (by === "pvv") return `${keyIndex}${pinVerificationValue(crypto, key, { pan, keyIndex, pin })}`;
  if (pin.length !== said.digits)
    throw new CardProblem("bad-value", "IBM 3624", "the PIN has another length than the product's");
  const natural = naturalPin(crypto, key, { pan, length: pin.length, form: usualIbm3624(pan) });
  try {
    return `${keyIndex}${pinOffset(natural, pin)}`;
  } finally {
    natural.fill(0);
  }
}

/** What the service code is replaced by: on the chip, and for the value printed beside the signature. */
export const SERVICE_CODE = { chip: "999", printed: "000" } as const;

/** Card verification value, three digits: of PAN, expiry date as the scheme writes it (four digits) and service code. */
export function cardVerificationValue(
  crypto: Crypto,
  key: Uint8Array,
  ask: { readonly pan: string; readonly expiry: string; readonly serviceCode: string },
): string {
  const { pan, expiry, serviceCode } = ask;
  if (key.length !== 16) throw new CardProblem("bad-key", "CVV", `a key has 16 bytes, not ${key.length}`);
  if (!/^[0-9]{8,19}$/.test(pan) || !/^[0-9]{4}$/.test(expiry) || !/^[0-9]{3}$/.test(serviceCode))
    throw new CardProblem(
      "bad-value",
      "CVV",
      "PAN, expiry date or service code is not digits of the right number",
    );
  const blocks = unhex(`${pan}${expiry}${serviceCode}`.padEnd(32, "0"));
  const [single, whole] = [crypto.des3(key.slice(0, 8)), crypto.des3(key)];
  const value = whole.encrypt(xor(single.encrypt(blocks.slice(0, 8)), blocks.slice(8)));
  single.wipe();
  whole.wipe();
  return decimalized(value, 3);
}
