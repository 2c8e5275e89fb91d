/** Where a PIN comes from when it is not drawn: digits that everybody knows, a key and the PAN, or the issuer's own block. */
import { naturalPin, pinOfBlock0, pinOfBlock1, pinOfBlock3, type PinDigits } from "@persoline/card/emv";
import type { Keyring } from "../keyring.js";
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
    return digits.map((digit) => 0x30 + digit);
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
      const block = ring.transported(by.keys, "3des-ecb", by.block);
      if (block === undefined) throw new VaultRefusal(`the PIN block does not open under key ${by.keys}`);
      try {
        return opened(by, block);
      } finally {
        block.fill(0);
      }
    }
  }
}

function opened({ format, pan }: Extract<PinSource, { method: "issuer" }>, block: Uint8Array): PinDigits {
  if (format === 1) return pinOfBlock1(block);
  return format === 0 ? pinOfBlock0(block, pan) : pinOfBlock3(block, pan);
}
