/** A tray's list bears its line's signature, and what became of it its station's: neither can say afterwards that it was another one. */
import { createHash, createPrivateKey, type KeyObject, sign, verify } from "node:crypto";
import type { CardState, TrayCard } from "./protocol.js";

/** The list in one form, whatever order its fields were written in. */
export const listText = (tray: string, cards: readonly TrayCard[]): string =>
  JSON.stringify([
    tray,
    cards.length,
    cards.map(({ serial, record, attempt, does, side, lines }) => [
      serial,
      record,
      attempt,
      does,
      side,
      lines.map(({ text, font, x, yFromBottom, pitch }) => [text, font, x, yFromBottom, pitch]),
    ]),
  ]);

export const digestOf = (tray: string, cards: readonly TrayCard[]): string =>
  createHash("sha256").update(listText(tray, cards)).digest("hex");

/** What the station signs when the tray is counted in. */
export const receiptText = (
  tray: string,
  digest: string,
  cards: readonly { readonly serial: string; readonly state: CardState }[],
): string => JSON.stringify([tray, digest, cards.map(({ serial, state }) => [serial, state])]);

/** Ed25519 and Ed448 bring their own hash. */
const hashFor = ({ asymmetricKeyType }: KeyObject): "sha256" | null =>
  asymmetricKeyType === "ed25519" || asymmetricKeyType === "ed448" ? null : "sha256";

/** Base64. `key`: PEM of the private key that the signer's certificate belongs to. */
export function signed(key: string, text: string): string {
  const own = createPrivateKey(key);
  return sign(hashFor(own), Buffer.from(text), own).toString("base64");
}

export const isSigned = (by: KeyObject, text: string, signature: string): boolean =>
  verify(hashFor(by), Buffer.from(text), by, Buffer.from(signature, "base64"));
