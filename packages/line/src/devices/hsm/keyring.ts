/** The open keys, inside the vault's process only: each has one use, and asking for another is refused. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { concat, hex, unhex, unmovedCopy } from "@persoline/card/bytes";
import {
  cmac,
  type Crypto,
  kcvAes,
  kcvDes,
  type KeptKey,
  type KeyPurpose,
  type RsaPublicKey,
} from "@persoline/card/crypto";
import { diversifyAn10922 } from "@persoline/card/desfire";
import {
  diversify3des,
  diversifyKdf3,
  diversifyKeyKdf3,
  type KeptKeySet,
  type KeySet,
  wipeKeySet,
} from "@persoline/card/globalplatform";
import type { Signer } from "@persoline/card/emv";
import type { TransportMode } from "@persoline/card/issuer-data";
import { desWeakness } from "@persoline/card/keyblock";
import { nodeCrypto, rsaPrivateWith, rsaPublicOf } from "@persoline/card/node";
import type { DesfireKey, Diversification, KeyRef, Part, Serial } from "@persoline/card/program";
import type { StoredKey } from "./keystore.js";
import type { ApprovedPolicy } from "./order-policy.js";
import { publicHalfOf } from "./line-key.js";
import { OrderSecrets } from "./order-secrets.js";
import { memoryShelf } from "./order-shelf.js";
import { type Purpose, whyNot } from "./office/life.js";
import { noOffice } from "./office/types.js";
import { isRsa, issuerKeyObject, publicOf, rsaCheckValue } from "./payment/issuer-key.js";
import type { CapabilityReport, Environment, IssuerPublicKey, KeyDescription } from "./port.js";
import { openWrapped } from "./transport.js";
import { VaultRefusal } from "./vault-refusal.js";

/** Number of the loader key in KDF3 (docs/card-os.md 2). */
const LOADER_KEY = 0x10;

/**
 * What a keyring offers whose keys can work where they are kept, in a token. Keys come as objects to be wiped; undefined where this one
 * cannot (then its bytes come into the module's process, as from the keyring itself).
 */
export interface KeptKeys {
  applicationKey(
    key: {
      readonly keys: KeyRef;
      readonly kid: number;
      readonly serial: Serial;
      readonly purpose?: Purpose | undefined;
    },
    purpose: KeyPurpose,
  ): KeptKey;
  loaderKey(keys: KeyRef, serial: Serial): KeptKey;
  keySet(keys: KeyRef, serial: Serial, diversify?: "kdf3" | "none"): KeptKeySet | undefined;
  /** What the issuer wrapped (RFC 5649) as an object on its way into a card, or as a key of MACs; undefined: it does not open. Absent: the token cannot. */
  transported?(name: KeyRef, value: Uint8Array, purpose: "to-card" | "mac"): KeptKey | undefined;
  /** ENC, MAC, DEK on their way into a card. */
  newKeySet(part: Extract<Part, { secret: "key-set" }>, serial: Serial): readonly KeptKey[] | undefined;
}

export type PaymentUse = Extract<
  KeyDescription["use"],
  "emv-ac" | "emv-smi" | "emv-smc" | "emv-cvk" | "emv-pvk" | "ibm-3624"
>;

/** An issuer's triple DES master where it is kept: `crypto` works with `key`, which are its bytes only where it has them in this process. */
export interface PaymentMaster {
  readonly crypto: Crypto;
  readonly key: Uint8Array;
}

/** A key of PIN blocks where it is kept, as `PaymentMaster`; triple DES or AES. */
export interface PinKey extends PaymentMaster {
  readonly isDes: boolean;
}

/** An issuer's RSA key where it is kept. */
export interface IssuerSigner extends Signer {
  readonly publicKey: RsaPublicKey;
  readonly certificate?: IssuerPublicKey["certificate"];
}

/** Throws VaultRefusal for a key that a live key set must not have. */
export function refuseTestKey(
  environment: Environment,
  key: Pick<StoredKey, "name" | "published" | "environment">,
): void {
  if (environment === "live" && (key.published || key.environment !== "live")) {
    throw new VaultRefusal(
      `key ${key.name} is a published or test key: it must not stand in a live keystore; make a new key set`,
    );
  }
}

/** What AN10922 makes a card's key of. Throws VaultRefusal. */
export function desfireInput(
  input: NonNullable<DesfireKey["input"]>,
  at: { readonly serial: Serial; readonly aid: number; readonly key: number },
): Uint8Array {
  const named = {
    uid: unhex(at.serial),
    aid: Uint8Array.of(at.aid >> 16, (at.aid >> 8) & 0xff, at.aid & 0xff),
    key: Uint8Array.of(at.key),
  };
  if (named.uid.length !== 7)
    throw new VaultRefusal(`a DESFire card is known by a UID of 7 bytes, not by ${at.serial}`);
  return concat(...input.map((one) => (typeof one === "string" ? named[one] : one)));
}

interface Open {
  readonly stored: Omit<StoredKey, "value">;
  readonly bytes: Uint8Array;
  /** Set up with its first use: reading an RSA key takes as long as signing with it. */
  object?: KeyObject;
}

/** The same bytes as node:crypto takes them; a copy would stay behind. */
export const viewOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** SPKI. */
const openKey = (bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.from(bytes), format: "der", type: "spki" });

/** The same three keys for every card: what cards come with from many a maker. */
const theSame = (master: Uint8Array): KeySet => ({
  enc: master.slice(),
  mac: master.slice(),
  dek: master.slice(),
});

/** What follows from a sound master is weak for one chip in 2^49: its card is not made. Throws VaultRefusal, the keys wiped. */
export function soundDesKeys(set: KeySet, serial: Serial): KeySet {
  const weak = [set.enc, set.mac, set.dek].map(desWeakness).find((one) => one !== undefined);
  if (weak === undefined) return set;
  wipeKeySet(set);
  throw new VaultRefusal(
    `the triple DES keys of chip ${serial} cannot be used (${weak}): reject this blank, or take another master`,
  );
}

/** Hexadecimal; empty for keys that have none. */
export function checkValueOf(algorithm: KeyDescription["algorithm"], key: Uint8Array): string {
  if (algorithm === "3DES") return hex(kcvDes(nodeCrypto, key));
  if (algorithm === "P-256") return pointCheck(key);
  if (isRsa(algorithm)) return rsaCheckValue(publicOf(key));
  return algorithm.startsWith("AES") ? hex(kcvAes(nodeCrypto, key)) : "";
}

/** First three bytes of SHA-256 over the point: a key pair and its public half have the same. */
function pointCheck(key: Uint8Array): string {
  const point = pointOf(key);
  return hex(nodeCrypto.sha256(point).slice(0, 3));
}

/** The point of a P-256 key, private (32 bytes) or public (65). */
const pointOf = (key: Uint8Array): Uint8Array => (key.length === 32 ? nodeCrypto.p256.publicKeyOf(key) : key);

export const otherIssuerKey = (name: KeyRef, kcv: string, own: string): VaultRefusal =>
  new VaultRefusal(
    `the issuer's file is under a key ${name} with check value ${kcv}, and here it is ${own}: it is another key`,
  );

export class Keyring {
  readonly environment: Environment;
  /** Absent: all keys are bytes of this process. */
  kept?: KeptKeys;
  /** How far the key office's acts go. */
  office: CapabilityReport["office"] = noOffice;
  /** Lists of what orders may have done with their secrets, as two custodians approved them; heeded in `live`. */
  policies: readonly ApprovedPolicy[] = [];
  /** Orders' own secrets; until the process says where they are kept, they end with it. */
  orders = new OrderSecrets(memoryShelf());
  /** The order for whose letters two custodians stood there when the keys were opened. */
  lettersOf: string | undefined;
  readonly #keys = new Map<string, Open>();

  readonly #now: () => number;

  /** The keys' values are copied: the caller wipes his own. `now`: milliseconds of the epoch, for the keys' cryptoperiods. */
  constructor(environment: Environment, keys: readonly StoredKey[], now: () => number = Date.now) {
    this.environment = environment;
    this.#now = now;
    for (const stored of keys) {
      refuseTestKey(environment, stored);
      const { value, ...rest } = stored;
      this.#keys.set(stored.name, { stored: rest, bytes: unmovedCopy(value) });
    }
  }

  describe(): KeyDescription[] {
    return [...this.#keys.values()].map(({ stored, bytes }) => ({
      name: stored.name,
      use: stored.use,
      algorithm: stored.algorithm,
      // The value of a destroyed key is gone.
      kcv: bytes.length === 0 ? (stored.life?.kcv ?? "") : checkValueOf(stored.algorithm, bytes),
      environment: stored.environment,
      published: stored.published,
      ...(stored.algorithm === "P-256" && bytes.length > 0 ? { publicKey: hex(pointOf(bytes)) } : {}),
      ...(stored.use === "sign" ? { publicKey: publicHalfOf(this.#signing().open) } : {}),
      ...(stored.life === undefined ? {} : { life: stored.life }),
      ...(stored.issuer === undefined ? {} : { issuer: stored.issuer }),
    }));
  }

  /** The card's own key under an application master; the caller wipes it. "check": a key that makes no new cards any more still knows its old ones. */
  applicationKey(keys: KeyRef, kid: number, serial: Serial, purpose: Purpose = "make"): Uint8Array {
    return diversifyKeyKdf3(nodeCrypto, this.#master(keys, "application", purpose), unhex(serial), kid);
  }

  loaderKey(keys: KeyRef, serial: Serial): Uint8Array {
    return diversifyKeyKdf3(nodeCrypto, this.#master(keys, "loader"), unhex(serial), LOADER_KEY);
  }

  /** The card's key set under an SCP03 master of 16, 24 or 32 bytes; the caller wipes it. */
  keySet(keys: KeyRef, serial: Serial, diversify: "kdf3" | "none" = "kdf3"): KeySet {
    const master = this.#master(keys, "scp03");
    if (diversify === "none") return theSame(master);
    return diversifyKdf3(nodeCrypto, master, unhex(serial));
  }

  /** The card's key set under an SCP02 master (two-key triple DES); the caller wipes it. */
  desKeySet(keys: KeyRef, serial: Serial, diversify: Exclude<Diversification, "kdf3">): KeySet {
    const master = this.#master(keys, "scp02");
    const set =
      diversify === "none" ? theSame(master) : diversify3des(nodeCrypto, master, unhex(serial), diversify);
    return soundDesKeys(set, serial);
  }

  /** A key set on its way into a card, as a program names it. Throws VaultRefusal when the master does not make such keys. */
  newKeySet(part: Extract<Part, { secret: "key-set" }>, serial: Serial): KeySet {
    const { keys, form = "aes-128", diversify } = part;
    if (form === "3des") {
      if (diversify === undefined || diversify === "kdf3")
        throw new VaultRefusal("3DES keys are diversified by emv-cps, visa2, visa or none");
      return this.desKeySet(keys, serial, diversify);
    }
    if (diversify !== undefined && diversify !== "kdf3" && diversify !== "none")
      throw new VaultRefusal("AES keys are diversified by kdf3 or none");
    const set = this.keySet(keys, serial, diversify);
    if (set.enc.length * 8 === Number(form.slice(4))) return set;
    const has = set.enc.length * 8;
    wipeKeySet(set);
    throw new VaultRefusal(`key ${keys} makes AES-${has} keys, the product asks for ${form.toUpperCase()}`);
  }

  /** AES-CMAC under a key of issuers' files. `kcv`: what the file states of the key; another one throws VaultRefusal, naming both. */
  fileMac(name: KeyRef, message: Uint8Array, kcv?: string): Uint8Array {
    const cipher = nodeCrypto.aes(this.#issuerKey(name, "file-mac", kcv));
    const mac = cmac(cipher, message);
    cipher.wipe();
    return mac;
  }

  /** Its algorithm; throws VaultRefusal when it is not the key that the file states. */
  transportKey(name: KeyRef, kcv: string): KeyDescription["algorithm"] {
    this.#issuerKey(name, "transport", kcv);
    return this.#keys.get(name)?.stored.algorithm ?? "AES-128";
  }

  /** What the issuer wrapped, in clear; the caller wipes it. Undefined: it does not open under this key. */
  transported(name: KeyRef, mode: TransportMode, value: Uint8Array): Uint8Array | undefined {
    const key = this.#issuerKey(name, "transport");
    try {
      return openWrapped(mode, key, value);
    } catch {
      return undefined;
    }
  }

  /** What deciphers issuers' PIN blocks; nothing of it is kept or wiped by the caller. Blocks under way when it is deactivated are still read. */
  pinKey(name: KeyRef): PinKey {
    const key = this.#master(name, "pin-transport", "check");
    return { crypto: nodeCrypto, key, isDes: this.#keys.get(name)?.stored.algorithm === "3DES" };
  }

  /** An issuer's public key, Ed25519. */
  issuerSignature(name: KeyRef): KeyObject {
    const bytes = this.#issuerKey(name, "issuer-signature");
    return openKey(bytes);
  }

  /** Files that are under way when a key is deactivated are still read with it. */
  #issuerKey(name: KeyRef, use: "transport" | "file-mac" | "issuer-signature", kcv?: string): Uint8Array {
    const bytes = this.#master(name, use, "check");
    const own = checkValueOf(this.#keys.get(name)?.stored.algorithm ?? "AES-128", bytes);
    if (kcv !== undefined && kcv !== own) throw otherIssuerKey(name, kcv, own);
    return bytes;
  }

  /** The host's private key of SCP11, 32 bytes; the caller wipes it. */
  hostKey(keys: KeyRef): Uint8Array {
    return this.#master(keys, "scp11").slice();
  }

  /** The point of an authority that certifies cards. */
  cardAuthority(keys: KeyRef): Uint8Array {
    return this.#master(keys, "card-authority", "check").slice();
  }

  /** Milliseconds of the epoch. */
  now(): number {
    return this.#now();
  }

  /** One AES-128 key of a DESFire card, for this place in it; the caller wipes it. "check": as for `applicationKey`. */
  desfireKey(
    { keys, input }: DesfireKey,
    at: { readonly serial: Serial; readonly aid: number; readonly key: number },
    purpose: Purpose = "make",
  ): Uint8Array {
    const master = this.#master(keys, "desfire", purpose);
    if (input === undefined) return master.slice();
    return diversifyAn10922(nodeCrypto, "AES-128", master, desfireInput(input, at));
  }

  /** An issuer's master of payment cards; nothing of it is kept or wiped by the caller. */
  paymentMaster(name: KeyRef, use: PaymentUse, purpose: Purpose = "make"): PaymentMaster {
    return { crypto: nodeCrypto, key: this.#master(name, use, purpose) };
  }

  issuerSigner(name: KeyRef): IssuerSigner {
    const key = this.#object(this.#key(name, "emv-issuer"), issuerKeyObject);
    const publicKey = rsaPublicOf(key);
    const certificate = this.#keys.get(name)?.stored.issuer?.certificate;
    return {
      modulus: publicKey.modulus,
      sign: (block) => rsaPrivateWith(key, block),
      publicKey,
      ...(certificate === undefined ? {} : { certificate }),
    };
  }

  /** The stripe encoder's public key: the newest that is in life. */
  stripeEncoder(): KeyObject {
    const found = [...this.#keys.values()].findLast(
      ({ stored: { use, name, life } }) =>
        use === "stripe-encoder" &&
        (life === undefined || whyNot(name, life, "make", this.#now()) === undefined),
    );
    if (found === undefined)
      throw new VaultRefusal(
        'this keystore has no public key of a stripe encoder: bring it in with "persoline keys import --use stripe-encoder --public FILE"',
      );
    return this.#object(found, openKey);
  }

  /** The one key that seals PINs and data keys. */
  sealing(): Uint8Array {
    return this.#only("seal").bytes;
  }

  /** Ed25519. */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#signing().secret));
  }

  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, bytes, this.#signing().open, signature);
  }

  /** Whether `problem` was a lost connection to where the keys are, and there is a new one: what failed may then be computed again. */
  revived(_problem: unknown): boolean {
    return false;
  }

  #signing(): { readonly secret: KeyObject; readonly open: KeyObject } {
    const secret = createPrivateKey({
      key: viewOf(this.#only("sign").bytes),
      format: "der",
      type: "pkcs8",
    });
    return { secret, open: createPublicKey(secret) };
  }

  /** The letter printer's public key. */
  letterPrinter(): KeyObject {
    return this.#object(this.#only("letter"), openKey);
  }

  wipe(): void {
    this.orders.wipe();
    // Key objects go with what held them, and OpenSSL zeroes them then.
    for (const { bytes } of this.#keys.values()) bytes.fill(0);
    this.#keys.clear();
  }

  #object(open: Open, read: (bytes: Uint8Array) => KeyObject): KeyObject {
    open.object ??= read(open.bytes);
    return open.object;
  }

  #master(name: KeyRef, use: KeyDescription["use"], purpose: Purpose = "make"): Uint8Array {
    return this.#key(name, use, purpose).bytes;
  }

  #key(name: KeyRef, use: KeyDescription["use"], purpose: Purpose = "make"): Open {
    const found = this.#keys.get(name);
    if (found === undefined) {
      throw new VaultRefusal(
        `there is no key ${name} in this keystore; "persoline keys list" shows what there is`,
      );
    }
    if (found.stored.use !== use) {
      throw new VaultRefusal(`key ${name} is for ${found.stored.use}, not for ${use}: a key has one purpose`);
    }
    const { life } = found.stored;
    const why = life === undefined ? undefined : whyNot(name, life, purpose, this.#now());
    if (why !== undefined) throw new VaultRefusal(why);
    return found;
  }

  #only(use: KeyDescription["use"]): Open {
    const found = [...this.#keys.values()].find(({ stored }) => stored.use === use);
    if (found === undefined) throw new VaultRefusal(`this keystore has no key for "${use}"`);
    return found;
  }
}
