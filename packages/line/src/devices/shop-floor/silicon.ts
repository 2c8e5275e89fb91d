import { cmac } from "@persoline/card/crypto";
import { nodeCrypto } from "@persoline/card/node";
import type { World } from "@persoline/card/program";
import {
  type EepromStore,
  type Fault,
  fabricate,
  makeVirtualCard,
  type VirtualCard,
} from "@persoline/card/virtual";

/** Where chips come from: the fab, and what a chip does once it has power. */
export interface Silicon {
  /** 32 KiB of EEPROM as the fab leaves them: chip number and the card's own loader key. */
  fabricate(chipNumber: Uint8Array): Uint8Array;
  power(body: { readonly eeprom: EepromStore; readonly faults: readonly Fault[] }): VirtualCard;
}

/** The loader key of one chip: KDF3 with k = 10 (docs/card-os.md 2), as the fab does it; written apart from the security module. */
function loaderKey(master: Uint8Array, chipNumber: Uint8Array): Uint8Array {
  const cipher = nodeCrypto.aes(master);
  const key = cmac(cipher, Uint8Array.of(0x01, 0x00, 0x00, 0x00, 0x10, 0x00, ...chipNumber));
  cipher.wipe();
  return key;
}

/**
 * Virtual silicon. `loaderMaster`: the published test key (AES-128) that the fab of virtual blanks diversifies. `random`: where the
 * chips' own generators get their bytes from.
 */
export function virtualSilicon(from: {
  readonly loaderMaster: Uint8Array;
  readonly random: World["random"];
}): Silicon {
  return {
    fabricate: (chipNumber) => fabricate({ chipNumber, loaderKey: loaderKey(from.loaderMaster, chipNumber) }),
    power: ({ eeprom, faults }) =>
      makeVirtualCard({ eeprom, faults, random: from.random, crypto: nodeCrypto }),
  };
}
