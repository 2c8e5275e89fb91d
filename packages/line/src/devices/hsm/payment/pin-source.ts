/** Where a PIN comes from when it is not drawn: digits that everybody knows, a key and the PAN, or the issuer's own block. */
import { unmovedCopy } from "@persoline/card/bytes";
import {
  naturalPin,
  pinOfBlock0,
  pinOfBlock1,
  pinOfBlock3,
  pinOfEncipheredBlock4,
  type PinDigits,
} from "@persoline/card/emv";
import type { Keyring, PinKey } from "../keyring.js";
import type { PinSource } from "../port.js";
import { VaultRefusal } from "../vault-refusal.js";
import { refusing } from "./card-values.js";

/** IBM 3624 over the twelve rightmost digits of the PAN without its check digit, padded with F: as most issuers have it. */
const IBM_3624 = { table: "0123456789012345", digits: 12, pad: "F" } as const;

/** Digits in ASCII; the caller wipes them. Throws VaultRefusal. */
export function pinFrom(ring: Keyring, by: PinSource, length: number): Uint8Array {
  const digits = refusing(() => sourced(ring, by, length));
  try {
    if (digits.length !== length)
      throw new VaultRefusal(`the PIN has ${digits.length} digits, and the product's have ${length}`);
    const text = unmovedCopy(digits);
    for (let at = 0; at < text.length; at++) text[at] = 0x30 + (digits[at] ?? 0);
    return text;
  } finally {
    digits.fill(0);
  }
}

function sourced(ring: Keyring, by: PinSource, length: number): PinDigits {
  switch (by.method) {
    case "trivial":
      return Uint8Array.from(by.digits, Number);
    case "derived": {
      const { crypto, key } = ring.paymentMaster(by.keys, "ibm-3624");
      const { table, digits, pad } = IBM_3624;
      const to = by.pan.length - 1;
      return naturalPin(crypto, key, { pan: by.pan, length, form: { table, pad, from: to - digits, to } });
    }
    case "issuer": {
      return issuersPin(ring.pinKey(by.keys), by);
    }
  }
}

export type IssuersBlock = Pick<
  Extract<PinSource, { method: "issuer" }>,
  "keys" | "format" | "block" | "pan"
>;

/** An issuer's block, deciphered where its key is kept; the caller wipes the digits. Throws VaultRefusal, CardProblem. */
export function issuersPin({ crypto, key, isDes }: PinKey, by: IssuersBlock): PinDigits {
  const { keys, format, block: enciphered, pan } = by;
  if (isDes !== (format !== 4))
    throw new VaultRefusal(
      `a PIN block of format ${format} is under ${format === 4 ? "AES" : "triple DES"} (ISO 9564-1), and key ${keys} is ${isDes ? "triple DES" : "AES"}`,
    );
  if (format === 4) return pinOfEncipheredBlock4(crypto, key, enciphered, pan);
  if (enciphered.length !== 8)
    throw new VaultRefusal(`a PIN block of format ${format} has 8 bytes, not ${enciphered.length}`);
  const cipher = crypto.des3(key);
  const block = cipher.decrypt(enciphered);
  cipher.wipe();
  try {
    if (format === 1) return pinOfBlock1(block);
    return format === 0 ? pinOfBlock0(block, pan) : pinOfBlock3(block, pan);
  } finally {
    block.fill(0);
  }
}
