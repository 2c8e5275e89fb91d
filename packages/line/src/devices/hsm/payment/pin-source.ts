/** Where a PIN comes from when it is not drawn: digits that everybody knows, a key and the PAN, or the issuer's own block. */
import { CardProblem, unmovedCopy } from "@persoline/card/bytes";
import {
  naturalPin,
  pinOfBlock0,
  pinOfBlock1,
  pinOfBlock3,
  pinOfEncipheredBlock4,
  type PinDigits,
  usualIbm3624,
} from "@persoline/card/emv";
import type { Keyring, PinKey } from "../keyring.js";
import type { OrderPolicies, WantedPin } from "../order-policy.js";
import type { PinSource } from "../port.js";
import { VaultRefusal } from "../vault-refusal.js";
import { refusing } from "./card-values.js";

/** Digits in ASCII; the caller wipes them. Throws VaultRefusal. */
export function pinFrom(
  ring: Keyring,
  policies: Pick<OrderPolicies, "pinBlock">,
  by: PinSource,
  wanted: WantedPin,
): Uint8Array {
  const digits = refusing(() => sourced(ring, policies, by, wanted));
  try {
    if (digits.length !== wanted.length)
      throw new VaultRefusal(
        `the PIN has ${digits.length} digits, and the product's have ${String(wanted.length)}`,
      );
    const text = unmovedCopy(digits);
    for (let at = 0; at < text.length; at++) text[at] = 0x30 + (digits[at] ?? 0);
    return text;
  } finally {
    digits.fill(0);
  }
}

function sourced(
  ring: Keyring,
  policies: Pick<OrderPolicies, "pinBlock">,
  by: PinSource,
  wanted: WantedPin,
): PinDigits {
  const { length, pan } = wanted;
  switch (by.method) {
    case "trivial":
      return Uint8Array.from(by.digits, Number);
    case "derived": {
      const { crypto, key } = ring.paymentMaster(by.keys, "ibm-3624");
      if (pan === undefined) throw new VaultRefusal("a PIN is derived from an account number: none was told");
      return naturalPin(crypto, key, { pan, length, form: usualIbm3624(pan) });
    }
    case "issuer": {
      const key = ring.pinKey(by.keys);
      judgeForm(key, by);
      return policies.pinBlock(by, wanted, () => opened(key, { ...by, pan: pan ?? "" }, length));
    }
  }
}

type Issuers = Extract<PinSource, { method: "issuer" }>;
export type IssuersBlock = Pick<Issuers, "keys" | "format" | "block"> & { readonly pan: string };

/** What can be told without opening it. */
function judgeForm({ isDes }: PinKey, { keys, format, block }: Issuers): void {
  if (isDes !== (format !== 4))
    throw new VaultRefusal(
      `a PIN block of format ${format} is under ${format === 4 ? "AES" : "triple DES"} (ISO 9564-1), and key ${keys} is ${isDes ? "triple DES" : "AES"}`,
    );
  const bytes = format === 4 ? 16 : 8;
  if (block.length !== bytes)
    throw new VaultRefusal(`a PIN block of format ${format} has ${bytes} bytes, not ${block.length}`);
}

/** Undefined: it is no such block, or has a PIN of another length; nobody is told which. */
function opened(key: PinKey, by: IssuersBlock, length: number): PinDigits | undefined {
  try {
    const digits = issuersPin(key, by);
    if (digits.length === length) return digits;
    digits.fill(0);
    return undefined;
  } catch (problem) {
    if (problem instanceof CardProblem) return undefined;
    throw problem;
  }
}

/** An issuer's block, deciphered where its key is kept; the caller wipes the digits. Throws CardProblem. */
export function issuersPin({ crypto, key }: PinKey, by: IssuersBlock): PinDigits {
  const { format, block: enciphered, pan } = by;
  if (format === 4) return pinOfEncipheredBlock4(crypto, key, enciphered, pan);
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
