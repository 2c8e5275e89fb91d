import type { Command } from "../apdu/index.js";
import { type Aid, u16 } from "../bytes/index.js";
import { encodeTlv, tlv } from "../tlv/index.js";

/**
 * GET DATA of a security domain (GPCS 11.3): CPLC 9F7F, key information E0, card data 66, capability 67, resources FF21, KDD CF,
 * sequence counter C1, issuer identification number 42, card image number 45.
 */
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
