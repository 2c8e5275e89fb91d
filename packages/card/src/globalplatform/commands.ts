import type { Command } from "../apdu/index.js";
import { type Aid, CardProblem, u16 } from "../bytes/index.js";
import { encodeTlv, tlv } from "../tlv/index.js";

/** GET DATA of a security domain (GPCS 11.3): CPLC 9F7F, key information E0, card data 66, capability 67, resources FF21, KDD CF. */
export function getCardData(tag: number): Command {
  const [p1 = 0, p2 = 0] = u16(tag);
  return { cla: 0x80, ins: 0xca, p1, p2, le: 256 };
}

const SCOPES = { isd: 0x80, applications: 0x40, "load-files": 0x20, "load-files-and-modules": 0x10 } as const;
export type RegistryScope = keyof typeof SCOPES;

/** GET STATUS in TLV form (GPCS 11.4); `next` after SW 6310. `aid` searches by (partial) AID. */
export function getStatus(
  scope: RegistryScope,
  ask: { readonly next?: boolean; readonly aid?: Uint8Array } = {},
): Command {
  const data = encodeTlv(tlv(0x4f, ask.aid ?? new Uint8Array(0)));
  return { cla: 0x80, ins: 0xf2, p1: SCOPES[scope], p2: ask.next === true ? 0x03 : 0x02, data, le: 256 };
}

/** Card life cycle states (GPCS 5.1). SECURED cannot be undone except by locking, TERMINATED never. */
export const CARD_STATES = {
  opReady: 0x01,
  initialized: 0x07,
  secured: 0x0f,
  locked: 0x7f,
  terminated: 0xff,
} as const;

/** SET STATUS (GPCS 11.10). For the ISD, the state is that of the card. */
export function setStatus(ask: {
  readonly of: "isd" | "application" | "security-domain-and-applications";
  readonly state: number;
  readonly aid: Aid;
}): Command {
  const p1 = ask.of === "isd" ? 0x80 : ask.of === "application" ? 0x40 : 0x60;
  return { cla: 0x80, ins: 0xf0, p1, p2: ask.state, data: ask.aid };
}

/** How the data of STORE DATA is structured and whether it is encrypted (GPCS 11.11). */
export interface StoreDataForm {
  readonly structure: "none" | "dgi" | "ber-tlv";
  /** Default "none": no general encryption information. */
  readonly encryption?: "none" | "application" | "encrypted";
  /** Case 4: the card may answer data. */
  readonly answers?: boolean;
}

const STRUCTURES = { none: 0x00, dgi: 0x08, "ber-tlv": 0x10 } as const;
const ENCRYPTIONS = { none: 0x00, application: 0x20, encrypted: 0x60 } as const;

/** One STORE DATA block (GPCS 11.11); blocks are numbered from 0. */
export function storeData(
  ask: StoreDataForm & { readonly data: Uint8Array; readonly block: number; readonly last: boolean },
): Command {
  const { block, last, data } = ask;
  if (!Number.isInteger(block) || block < 0 || block > 0xff) {
    throw new CardProblem("bad-value", "STORE DATA", `${block} is not a block number from 0 to 255`);
  }
  const answers = ask.answers === true;
  const p1 =
    (last ? 0x80 : 0x00) |
    ENCRYPTIONS[ask.encryption ?? "none"] |
    STRUCTURES[ask.structure] |
    (answers ? 0x01 : 0x00);
  return { cla: 0x80, ins: 0xe2, p1, p2: block, data, ...(answers ? { le: 256 } : {}) };
}

/** STORE DATA blocks, one for each piece in order, the last marked as such. */
export function storeDataBlocks(pieces: readonly Uint8Array[], form: StoreDataForm): Command[] {
  return pieces.map((data, block) => storeData({ ...form, data, block, last: block === pieces.length - 1 }));
}
