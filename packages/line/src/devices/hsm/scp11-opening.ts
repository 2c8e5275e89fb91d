/** How sessions of SCP11 (GlobalPlatform Amendment F) are opened inside the vault: the card's certificate first, then the host's, then keys. */
import type { Command, Response } from "@persoline/card/apdu";
import { CardProblem, equal, hex, unhex } from "@persoline/card/bytes";
import {
  type Certificate,
  parseCertificate,
  Scp11Handshake,
  type Scp11Session,
} from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { type Scp11ChannelSpec, scp11Kids, type Serial } from "@persoline/card/program";
import type { Keyring } from "./keyring.js";
import { type Authenticated, damaged, otherChip } from "./session-parts.js";
import { VaultRefusal } from "./vault-refusal.js";

/** Thrown inside the judgement of a certificate, and answered as for every chip of another number. */
class OtherChip extends Error {
  override readonly name = "OtherChip";
  constructor(readonly subject: Uint8Array) {
    super("another chip's certificate");
  }
}

/** The opening of one card's session: each answer leads to a command, to the session, or to the end. */
export class Scp11SessionOpening {
  readonly first: Command;
  readonly #handshake: Scp11Handshake;
  readonly #serial: Serial;

  /** Throws VaultRefusal when the host's certificate is not that of its key: nothing has been sent then. */
  constructor(ring: Keyring, channel: Scp11ChannelSpec, serial: Serial) {
    const { variant, kvn, level, keyLength, authority, authorityName, subject } = channel;
    this.#serial = serial;
    const host = hostOf(ring, channel);
    try {
      this.#handshake = new Scp11Handshake({
        crypto: nodeCrypto,
        variant,
        kvn,
        kid: scp11Kids[variant],
        keyLength,
        usage: level === 0x33 ? 0x3c : 0x34,
        trusted: {
          publicKey: ring.cardAuthority(authority),
          ...(authorityName === undefined ? {} : { identifier: authorityName }),
        },
        today: dayOf(ring.now()),
        isMeant: (leaf: Certificate) => {
          // Whatever else a host says than the one word that a list tells.
          if (subject !== "any" && !equal(leaf.subject, unhex(serial))) throw new OtherChip(leaf.subject);
        },
        ...(host === undefined ? {} : { host }),
      });
    } catch (error) {
      if (error instanceof CardProblem) throw new VaultRefusal(error.message);
      throw error;
    } finally {
      host?.privateKey.fill(0);
    }
    this.first = this.#handshake.first;
  }

  next(response: Response): { readonly session: Scp11Session } | Authenticated {
    try {
      const next = this.#handshake.next(response);
      return "session" in next ? next : { ok: true, more: next.send };
    } catch (error) {
      if (error instanceof OtherChip) return otherChip(error.subject, this.#serial);
      if (!(error instanceof CardProblem)) throw error;
      return ended.has(error.code) ? notOurs(error.message) : damaged(error.message);
    }
  }

  close(): void {
    this.#handshake.close();
  }
}

/** What shows that the card has other keys, or trusts other hosts, than it should: as a wrong cryptogram elsewhere. */
const ended: ReadonlySet<CardProblem["code"]> = new Set([
  "scp11-certificate",
  "scp11-refused",
  "scp11-receipt",
]);
const notOurs = (why: string): Authenticated => ({
  ok: false,
  code: "card-cryptogram",
  detail: `${why}: not the keys this card should have; one attempt, and no other was made`,
});

function hostOf(ring: Keyring, { variant, host }: Scp11ChannelSpec) {
  if (host === undefined || variant === "b") return undefined;
  const { keys, certificates, authorityKvn } = host;
  const leaf = certificates.at(-1);
  if (leaf === undefined) throw new VaultRefusal(`key ${keys} has no certificate to be shown to cards`);
  let certified: Certificate;
  try {
    certified = parseCertificate(leaf);
  } catch (error) {
    if (error instanceof CardProblem)
      throw new VaultRefusal(`the certificate of key ${keys}: ${error.message}`);
    throw error;
  }
  const privateKey = ring.hostKey(keys);
  if (!equal(nodeCrypto.p256.publicKeyOf(privateKey), certified.publicKey)) {
    privateKey.fill(0);
    throw new VaultRefusal(
      `the certificate does not belong to key ${keys}: its number is ${hex(certified.serialNumber)}; have the key's own public half certified ("persoline keys list --json" tells it)`,
    );
  }
  return { privateKey, certificates, authority: { id: scp11Kids.authority, kvn: authorityKvn } };
}

/** YYYYMMDD of a time in milliseconds of the epoch, UTC. */
const dayOf = (now: number): string => new Date(now).toISOString().slice(0, 10).replaceAll("-", "");
