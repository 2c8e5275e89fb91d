/** What a card has to answer where it proves a key or what nobody may read, computed apart from the card (docs/card-os.md 6, docs/gp-card.md 7). */
import { concat, u16, unhex } from "@persoline/card/bytes";
import { type BlockCipher, cmac, type KeptKey } from "@persoline/card/crypto";
import type { IssuerSecret, Judge, ProvedKey, SealedSecrets, Serial } from "@persoline/card/program";
import { issuerSecret, keptIssuerKey } from "./issuer-data.js";
import type { Keyring } from "./keyring.js";
import { once, proofOf } from "./session-parts.js";

/** Whose card answers what. */
export interface Proving {
  readonly serial: Serial;
  readonly challenge: Uint8Array;
  /** What the issuer's keys and groupings are taken from. */
  readonly secrets: SealedSecrets | undefined;
  /** "check": a key that makes no new cards any more still knows its old ones. */
  readonly purpose?: Parameters<Keyring["applicationKey"]>[3];
}

/** 16 bytes; the caller wipes them. Throws VaultRefusal for keys and secrets there are not. */
export function expectedProof(
  ring: Keyring,
  judge: Exclude<Judge, { proof: "uid" }>,
  proving: Proving,
): Uint8Array {
  const { secrets, challenge, serial } = proving;
  const chip = unhex(serial);
  const proof = (message: Uint8Array): Uint8Array => macOf(ring, judge, proving, message);
  if (judge.proof === "internal") return proof(concat(Uint8Array.of(0x01), chip, challenge));
  if (judge.proof === "file") {
    const { fid, content } = judge;
    return proof(concat(Uint8Array.of(0x05), chip, challenge, u16(fid), u16(content.length), content));
  }
  const { id, content: said } = judge;
  const content = said instanceof Uint8Array ? said : issuerSecret(ring, asPart(said), secrets);
  const message = concat(Uint8Array.of(0x06), chip, challenge, u16(id), u16(content.length), content);
  try {
    return proof(message);
  } finally {
    // What the line knows anyway is the line's.
    if (content !== said) {
      content.fill(0);
      message.fill(0);
    }
  }
}

const asPart = (secret: IssuerSecret) => ({ secret: "issuer-dgi", ...secret }) as const;

/** Under the card's own key, which is then forgotten: in the token where it stays there. */
function macOf(
  ring: Keyring,
  key: ProvedKey,
  { serial, secrets, purpose }: Proving,
  message: Uint8Array,
): Uint8Array {
  if (!("issuer" in key)) {
    const { keys, kid } = key;
    const [proof = new Uint8Array(0)] = proofOf(
      ring,
      { keys, kid, serial, ...(purpose && { purpose }) },
      message,
    );
    return proof;
  }
  const part = asPart(key.issuer);
  const cipher: BlockCipher | KeptKey =
    keptIssuerKey(ring, part, secrets) ?? once(issuerSecret(ring, part, secrets));
  try {
    return cmac(cipher, message);
  } finally {
    cipher.wipe();
  }
}
