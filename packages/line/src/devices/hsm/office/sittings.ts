/** A custodian's sitting, signed by the custodian: over what was said yes to, in which ceremony, when, with which piece, and after which records. */
import { createHash, createPublicKey, verify } from "node:crypto";
import type { Environment } from "../port.js";
import { type Hand, isLocked } from "./custodians.js";
import { recordHeads } from "./record.js";
import type { Keep, KeyAction, Pending, Sitting } from "./types.js";

/** SHA-256 of an action's JSON, hex: what a sitting says yes to, to the last character. */
export const deedOf = (action: KeyAction): string =>
  createHash("sha256").update(JSON.stringify(action)).digest("hex");

interface Ceremony {
  readonly number: string;
  readonly environment: Environment;
  readonly deed: string;
}

const signedBytes = (
  { number, environment, deed }: Ceremony,
  { by, at, kcv, share, head }: Sitting,
): Uint8Array =>
  Buffer.from(
    `persoline custodian\n${JSON.stringify([number, environment, deed, by, at, kcv ?? null, share ?? null, head ?? null])}`,
  );

export const signSitting = (
  ceremony: Ceremony,
  sitting: Sitting,
  { key, hand }: { readonly key: string; readonly hand: Hand },
): Sitting => ({
  ...sitting,
  key,
  signature: Buffer.from(hand(signedBytes(ceremony, sitting))).toString("base64"),
});

/**
 * Signed by who has this key (32 bytes, base64), nothing of it altered, and the records before are those that the custodian had before them:
 * `heads` are their digests.
 */
export function soundSitting(
  ceremony: Ceremony,
  sitting: Sitting,
  { key, heads }: { readonly key: string; readonly heads: ReadonlySet<string> },
): boolean {
  const { signature, head = "" } = sitting;
  if (signature === undefined || sitting.key !== key || !heads.has(head)) return false;
  const x = Buffer.from(key, "base64").toString("base64url");
  const open = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verify(null, signedBytes(ceremony, sitting), open, Buffer.from(signature, "base64"));
}

/** Those who confirm a candidate compare the digits of a key: this very key comes in with the ceremony. */
const isAsShown = ({ action, custodian }: Pending): boolean =>
  action.do === "custodian" || action.do === "custodian-renew"
    ? custodian?.key !== undefined && custodian.key === action.open && custodian.name === action.name
    : custodian === undefined;

/** Why a ceremony that waits cannot go on, in words: somebody sat in it who does not count any more. */
export function whyVoid({ environment, book }: Keep, pending: Pending): string | undefined {
  const ceremony = { number: pending.number, environment, deed: deedOf(pending.action) };
  const heads = recordHeads(book.records);
  if (!isAsShown(pending)) return "the key it shows is not the candidate's: let them sit again";
  for (const sitting of pending.sittings) {
    const who = book.custodians.find(({ name }) => name === sitting.by);
    if (who === undefined) return `${sitting.by}, who sat in it, is no custodian any more`;
    if (isLocked(who)) return `${sitting.by}, who sat in it, is locked out`;
    const stands =
      // Sittings of before they were signed stand as long as their custodian has no key.
      who.key === undefined
        ? sitting.signature === undefined
        : soundSitting(ceremony, sitting, { key: who.key, heads });
    if (!stands) return `the sitting of ${sitting.by} is not signed with the passphrase that counts now`;
  }
  return undefined;
}
