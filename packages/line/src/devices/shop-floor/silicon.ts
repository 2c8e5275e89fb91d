import { cmac } from "@persoline/card/crypto";
import { nodeCrypto } from "@persoline/card/node";
import type { World } from "@persoline/card/program";
import { type CertifiedFab, certifiedChip } from "./certified-chip.js";
import {
  type EepromStore,
  type Fault,
  fabricate,
  fabricateDesfire,
  fabricateGlobalPlatform,
  isDesfire,
  makeDesfireCard,
  makeVirtualCard,
  type VirtualCard,
} from "@persoline/card/virtual";

/** Where chips come from: the fab, and what a chip does once it has power. */
export interface Silicon {
  /** The number that a chip of this kind tells, where it is not the ten bytes of the delivery themselves. */
  readonly numbered?: (chipNumber: Uint8Array) => Uint8Array;
  /** EEPROM as the fab leaves it; of the Persoline OS's chip 32 KiB, with chip number and the card's own loader key. */
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

export type GlobalPlatformFab = MasterFab | CertifiedFab;

/** What the maker of virtual GlobalPlatform chips knows: the published master of the keys they come with, and how they are made of it. */
export interface MasterFab {
  readonly master: Uint8Array;
  readonly algorithm: "aes" | "3des";
  readonly diversify: "kdf3" | "emv-cps" | "visa2" | "visa" | "none";
  readonly kvn: number;
  readonly isd: Uint8Array;
  readonly i02?: number;
  readonly i03?: number;
}

/** Bytes of the chip number in each half of the block that makes a 3DES key (written apart from the security module). */
const halves = { "emv-cps": [4, 10], visa2: [0, 2, 4, 8], visa: [0, 4, 8, 10] } as const;

/** Key k (1 ENC, 2 MAC, 3 DEK) of one chip. */
function initialKey({ master, diversify }: MasterFab, chipNumber: Uint8Array, k: number): Uint8Array {
  if (diversify === "none") return master;
  if (diversify === "kdf3") {
    const cipher = nodeCrypto.aes(master);
    const block = (i: number): Uint8Array => cmac(cipher, Uint8Array.of(i, 0, 0, 0, k, 0, ...chipNumber));
    return Uint8Array.of(...block(1), ...block(2)).slice(0, master.length);
  }
  const [from = 0, to = 0, more = 0, end = 0]: readonly number[] = halves[diversify];
  const part = [...chipNumber.subarray(from, to), ...chipNumber.subarray(more, end)];
  return nodeCrypto.des3(master).encrypt(Uint8Array.of(...part, 0xf0, k, ...part, 0x0f, k));
}

function globalPlatformChip(fab: GlobalPlatformFab, chipNumber: Uint8Array, offersT0: boolean): Uint8Array {
  if ("authority" in fab) return certifiedChip(fab, chipNumber, offersT0);
  const { algorithm, kvn, isd, i02, i03 } = fab;
  const [enc, mac, dek] = [1, 2, 3].map((k) => initialKey(fab, chipNumber, k));
  if (enc === undefined || mac === undefined || dek === undefined)
    throw new RangeError("three keys are made");
  return fabricateGlobalPlatform({
    chipNumber,
    keySets: [{ kvn, algorithm, enc, mac, dek }],
    isd,
    offersT0,
    ...(i02 === undefined ? {} : { i02 }),
    ...(i03 === undefined ? {} : { i03 }),
  });
}

/** UID of the chip that a delivery calls by ten bytes: 04, two bytes of its lot, its number. */
const uidOf = (chipNumber: Uint8Array): Uint8Array =>
  Uint8Array.of(0x04, ...chipNumber.subarray(4, 6), ...chipNumber.subarray(6));

/**
 * Virtual silicon. `loaderMaster`: the published test key (AES-128) that the fab of virtual blanks diversifies. `random`: where the
 * chips' own generators get their bytes from.
 */
export function virtualSilicon(from: {
  readonly loaderMaster: Uint8Array;
  readonly random: World["random"];
  /** Chips of the other kind are made. */
  readonly globalPlatform?: GlobalPlatformFab;
  /** DESFire-style chips are made. */
  readonly desfire?: true;
  /** Chips are made whose contacts speak T=0 too. */
  readonly offersT0?: boolean;
}): Silicon {
  const { loaderMaster, globalPlatform, desfire, offersT0 = false } = from;
  return {
    ...(desfire === undefined ? {} : { numbered: uidOf }),
    fabricate: (chipNumber) => {
      if (desfire !== undefined) return fabricateDesfire({ uid: uidOf(chipNumber) });
      return globalPlatform === undefined
        ? fabricate({ chipNumber, loaderKey: loaderKey(loaderMaster, chipNumber), offersT0 })
        : globalPlatformChip(globalPlatform, chipNumber, offersT0);
    },
    // A body is what it is, whoever looks at it later and for whatever product.
    power: ({ eeprom, faults }) => {
      const make = isDesfire(eeprom.load()) ? makeDesfireCard : makeVirtualCard;
      return make({ eeprom, faults, random: from.random, crypto: nodeCrypto });
    },
  };
}
