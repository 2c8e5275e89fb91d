/** The keyring whose masters are in a token. What the token can do with cards' AES keys of 16 bytes it does itself; the rest is computed here. */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { ed25519Of } from "../ed25519-seed.js";
import { unhex } from "@persoline/card/bytes";
import type { BlockCipher, KeptKey, KeyPurpose } from "@persoline/card/crypto";
import { diversify3desWith, type KeptKeySet, type KeySet } from "@persoline/card/globalplatform";
import type { TransportMode } from "@persoline/card/issuer-data";
import { nodeCrypto } from "@persoline/card/node";
import { diversifyAn10922 } from "@persoline/card/desfire";
import type { DesfireKey, Diversification, KeyRef, Part, Serial } from "@persoline/card/program";
import {
  desfireInput,
  type IssuerSigner,
  type KeptKeys,
  Keyring,
  otherIssuerKey,
  type PaymentMaster,
  type PaymentUse,
  type PinKey,
  refuseTestKey,
  soundDesKeys,
} from "../keyring.js";
import { VaultRefusal } from "../vault-refusal.js";
import { KeystoreProblem } from "../keystore.js";
import { type Purpose, whyNot } from "../office/life.js";
import { isRsa } from "../payment/issuer-key.js";
import { publicHalfOf } from "../line-key.js";
import type { KeyDescription } from "../port.js";
import {
  findKey,
  findMaster,
  findSigning,
  Found,
  isDes,
  kindOf,
  type Master,
  ownNumbers,
  pinKeyIn,
  singleOf,
} from "./masters.js";
import type { TokenReport } from "./probes.js";
import { descriptionOf, inTheToken, judgeRegister, type Register } from "./register.js";
import { type Handle, type Token, TokenLost } from "./token.js";
import { TokenKey } from "./token-key.js";

/** Number of the loader key in KDF3 (docs/card-os.md 2). */
const LOADER_KEY = 0x10;

type Signing =
  | { readonly by: "token"; readonly key: Handle }
  | { readonly by: "module-process"; readonly key: KeyObject };

export class TokenKeyring extends Keyring {
  readonly #token: Token;
  readonly #file: string;
  readonly #register: Register;
  readonly #masters = new Map<string, Master>();
  /** Left halves of keys for card verification values. */
  readonly #singles = new Map<string, Master>();
  /** Keys of issuers' files, and their RSA keys. */
  readonly #others = new Map<string, Found>();
  #sealing: Uint8Array = new Uint8Array(0);
  /** Everything of the register was found over the present connection. */
  #whole = false;
  #signing: Signing;
  readonly #open: KeyObject;

  /** What the probes found: cards' keys can stay in this token; issuers' secrets go through it. Throws VaultRefusal, KeystoreProblem. */
  constructor(
    token: Token,
    file: string,
    register: Register,
    { keptKeys, transports }: Pick<TokenReport, "keptKeys" | "transports">,
  ) {
    super(register.environment, []);
    for (const key of register.keys) refuseTestKey(register.environment, key);
    this.#token = token;
    this.#file = file;
    this.#register = register;
    this.office = register.office ?? this.office;
    this.policies = register.policies ?? [];
    this.#open = openKey(register.signature.open);
    this.#signing = this.#foundAgain();
    if (keptKeys) this.kept = this.#keptKeys(transports);
  }

  /** With what the token says of each now, as far as it is there. */
  override describe(): KeyDescription[] {
    return this.#register.keys.map((key) => {
      const found = this.#masters.get(key.name) ?? this.#others.get(key.name);
      const standing = found?.standing();
      return {
        ...descriptionOf(key),
        ...(key.use === "sign" ? { publicKey: publicHalfOf(this.#open) } : {}),
        ...(standing === undefined ? {} : { standing }),
      };
    });
  }

  override applicationKey(keys: KeyRef, kid: number, serial: Serial, purpose?: Purpose): Uint8Array {
    return this.#of(keys, "application", purpose).deriveBytes(unhex(serial), kid);
  }

  override loaderKey(keys: KeyRef, serial: Serial): Uint8Array {
    return this.#of(keys, "loader").deriveBytes(unhex(serial), LOADER_KEY);
  }

  override keySet(keys: KeyRef, serial: Serial, diversify: "kdf3" | "none" = "kdf3"): KeySet {
    const master = this.#of(keys, "scp03");
    if (diversify === "none") throw undiversified(keys);
    const key = (k: number) => master.deriveBytes(unhex(serial), k);
    return { enc: key(1), mac: key(2), dek: key(3) };
  }

  override desKeySet(keys: KeyRef, serial: Serial, diversify: Exclude<Diversification, "kdf3">): KeySet {
    const master = this.#of(keys, "scp02");
    if (diversify === "none") throw undiversified(keys);
    return soundDesKeys(
      diversify3desWith((data) => master.desEncrypt(data), unhex(serial), diversify),
      serial,
    );
  }

  override desfireKey(
    { keys, input }: DesfireKey,
    at: { readonly serial: Serial; readonly aid: number; readonly key: number },
    purpose: Purpose = "make",
  ): Uint8Array {
    const master = this.#of(keys, "desfire", purpose);
    if (input === undefined) throw undiversified(keys);
    const there = { ...nodeCrypto, aes: () => master.cipher() };
    // The adapter answers for the master: no bytes of it are here.
    return diversifyAn10922(there, "AES-128", new Uint8Array(16), desfireInput(input, at));
  }

  override newKeySet(part: Extract<Part, { secret: "key-set" }>, serial: Serial): KeySet {
    this.#masters.get(part.keys)?.judge();
    return super.newKeySet(part, serial);
  }

  override paymentMaster(name: KeyRef, use: PaymentUse, purpose: Purpose = "make"): PaymentMaster {
    const master = this.#of(name, use, purpose);
    const single = this.#singles.get(name);
    // Judged when it is used, and once for each use: whoever only asks whether a key may be used makes nothing with it.
    let unjudged = purpose === "make";
    const des3 = (key: Uint8Array): BlockCipher => {
      if (unjudged) master.judge();
      unjudged = false;
      if (key.length === 16) return master.desCipher();
      if (single === undefined) throw new VaultRefusal(`key ${name} does not work by halves`);
      return single.desCipher();
    };
    // The adapter answers for the master: no bytes of it are here.
    return { crypto: { ...nodeCrypto, des3 }, key: new Uint8Array(16) };
  }

  override issuerSigner(name: KeyRef): IssuerSigner {
    const found = this.#other(name, "emv-issuer", "make");
    const { issuer } = found.key;
    if (issuer === undefined) throw new VaultRefusal(`key ${name} has no public half in the register`);
    const publicKey = { modulus: unhex(issuer.modulus), exponent: unhex(issuer.exponent) };
    return {
      modulus: publicKey.modulus,
      publicKey,
      sign: (block) => this.#token.signRaw(found.handle, block),
      ...(issuer.certificate === undefined ? {} : { certificate: issuer.certificate }),
    };
  }

  override stripeEncoder(): KeyObject {
    this.#mustBeWhole();
    const { keys, stripeEncoder } = this.#register;
    const newest = keys.findLast(
      ({ use, name, life }) =>
        use === "stripe-encoder" &&
        (life === undefined || whyNot(name, life, "make", this.now()) === undefined),
    );
    const open = newest?.open ?? (newest === undefined ? undefined : stripeEncoder);
    if (open === undefined)
      throw new VaultRefusal(
        'this token has no public key of a stripe encoder: bring it in with "persoline keys import --use stripe-encoder --public FILE"',
      );
    return openKey(open);
  }

  override fileMac(name: KeyRef, message: Uint8Array, kcv?: string): Uint8Array {
    const found = this.#other(name, "file-mac", "check");
    if (kcv !== undefined && kcv !== found.key.kcv) throw otherIssuerKey(name, kcv, found.key.kcv);
    return this.#token.cmac(found.handle, message);
  }

  override transportKey(name: KeyRef, kcv: string): KeyDescription["algorithm"] {
    const { key } = this.#other(name, "transport", "check");
    if (kcv !== key.kcv) throw otherIssuerKey(name, kcv, key.kcv);
    return key.algorithm;
  }

  override transported(name: KeyRef, mode: TransportMode, value: Uint8Array): Uint8Array | undefined {
    const { handle, key } = this.#other(name, "transport", "check");
    // Another mode than the key's is no value of this key.
    if ((mode === "aes-wrap") === isDes(key.algorithm)) return undefined;
    return opening(() =>
      mode === "aes-wrap"
        ? this.#token.unwrapBytes(handle, value)
        : this.#token.decryptDes(handle, value, mode === "3des-cbc" ? "cbc" : "ecb"),
    );
  }

  override pinKey(name: KeyRef): PinKey {
    const { handle, key } = this.#other(name, "pin-transport", "check");
    return pinKeyIn(this.#token, handle, isDes(key.algorithm));
  }

  override issuerSignature(name: KeyRef): KeyObject {
    this.#mustLive(name, "check");
    const key = this.#register.keys.find((one) => one.name === name);
    if (key === undefined)
      throw new VaultRefusal(`token ${this.#token.name}: there is no key ${name} for issuer-signature`);
    if (key.use !== "issuer-signature" || key.open === undefined)
      throw new VaultRefusal(
        `key ${name} is for ${key.use}, not for issuer-signature: a key has one purpose`,
      );
    return openKey(key.open);
  }

  override sealing(): Uint8Array {
    this.#mustBeWhole();
    return this.#sealing;
  }

  override sign(bytes: Uint8Array): Uint8Array {
    this.#mustBeWhole();
    const { by, key } = this.#signing;
    return by === "token" ? this.#token.signEd25519(key, bytes) : new Uint8Array(sign(null, bytes, key));
  }

  override verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, bytes, this.#open, signature);
  }

  override letterPrinter(): KeyObject {
    return openKey(this.#register.letterPrinter);
  }

  /** After a lost connection: a new one, with every key found again by what it is. Never more than one attempt a call. */
  override revived(problem: unknown): boolean {
    if (!(problem instanceof TokenLost)) return false;
    try {
      this.#token.connect();
      this.#signing = this.#foundAgain();
      return true;
    } catch (error) {
      if (error instanceof KeystoreProblem || error instanceof VaultRefusal)
        throw new VaultRefusal(
          `${problem.message}, and it did not come back: ${error.message}. Cards in work are taken up by the next run`,
        );
      throw error;
    }
  }

  override wipe(): void {
    this.orders.wipe();
    this.#whole = false;
    this.#sealing.fill(0);
    this.#masters.clear();
    this.#singles.clear();
    this.#others.clear();
    this.#token.disconnect();
  }

  #foundAgain(): Signing {
    return inTheToken(this.#file, this.#register, this.#token, () => this.#findAll());
  }

  #findAll(): Signing {
    this.#whole = false;
    this.#masters.clear();
    this.#singles.clear();
    this.#others.clear();
    for (const key of this.#register.keys) {
      if (key.life?.state === "destroyed") continue;
      const isKept = key.algorithm.startsWith("AES") || key.algorithm === "3DES" || isRsa(key.algorithm);
      if (!isKept) continue;
      const kind = kindOf(key);
      if (kind === "master" || kind === "des-master")
        this.#masters.set(key.name, findMaster(this.#token, key));
      else this.#others.set(key.name, new Found(this.#token, key, findKey(this.#token, key)));
      const single = singleOf(key);
      if (single !== undefined) this.#singles.set(key.name, findMaster(this.#token, single));
    }
    const store = [...this.#masters.values()].find(({ key }) => key.use === "seal");
    if (store === undefined)
      throw new KeystoreProblem("not-ours", `${this.#file}: it names no key for "seal"`);
    const macKey = store.own(ownNumbers.register);
    judgeRegister(this.#file, this.#register, macKey);
    macKey.fill(0);
    const sealing = store.own(ownNumbers.sealing);
    const signing = this.#signingKey(store);
    this.#sealing.fill(0);
    this.#sealing = sealing;
    this.#whole = true;
    return signing;
  }

  #signingKey(store: Master): Signing {
    if (this.#register.signature.by === "token")
      return { by: "token", key: findSigning(this.#token, this.#register, this.#open) };
    const seed = store.own(ownNumbers.signature);
    const { secret } = ed25519Of(seed);
    seed.fill(0);
    return { by: "module-process", key: secret };
  }

  /** Throws TokenLost after a reconnect that did not find everything. */
  #mustBeWhole(): void {
    if (!this.#whole)
      throw new TokenLost(`token ${this.#token.name} was lost, and not all its keys were found again`);
  }

  #of(name: KeyRef, use: KeyDescription["use"], purpose: Purpose = "make"): Master {
    this.#mustLive(name, purpose);
    const master = this.#masters.get(name);
    const other = this.#others.get(name)?.key;
    if (master === undefined)
      throw new VaultRefusal(
        other === undefined
          ? `token ${this.#token.name}: there is no key ${name} for cards`
          : `key ${name} is for ${other.use}, not for ${use}: a key has one purpose`,
      );
    if (master.key.use !== use)
      throw new VaultRefusal(`key ${name} is for ${master.key.use}, not for ${use}: a key has one purpose`);
    return master;
  }

  /** Throws VaultRefusal for a key whose state forbids it. */
  #mustLive(name: KeyRef, purpose: Purpose): void {
    this.#mustBeWhole();
    const life = this.#register.keys.find((key) => key.name === name)?.life;
    const why = life === undefined ? undefined : whyNot(name, life, purpose, this.now());
    if (why !== undefined) throw new VaultRefusal(why);
  }

  /** Files that are under way when a key is deactivated are still read with it: "check". */
  #other(name: KeyRef, use: KeyDescription["use"], purpose: Purpose): Found {
    this.#mustLive(name, purpose);
    const found = this.#others.get(name) ?? this.#masters.get(name);
    if (found === undefined)
      throw new VaultRefusal(`token ${this.#token.name}: there is no key ${name} for ${use}`);
    if (found.key.use !== use)
      throw new VaultRefusal(`key ${name} is for ${found.key.use}, not for ${use}: a key has one purpose`);
    return found;
  }

  #keptKeys(transports: boolean): KeptKeys {
    const short = (name: KeyRef, use: KeyDescription["use"]): Master | undefined => {
      const master = this.#of(name, use);
      return master.keyLength === 16 ? master : undefined;
    };
    const set = (master: Master, serial: Serial, purposes: readonly [KeyPurpose, KeyPurpose, KeyPurpose]) => {
      const made: KeptKey[] = [];
      try {
        purposes.forEach((purpose, at) => made.push(master.derive(unhex(serial), at + 1, purpose)));
        return made;
      } catch (error) {
        for (const key of made) key.wipe();
        throw error;
      }
    };
    const transported: KeptKeys["transported"] = (name, value, purpose) => {
      const { handle } = this.#other(name, "transport", "check");
      const opened = opening(() => this.#token.unwrap(handle, value, purpose));
      return opened && new TokenKey(this.#token, opened, purpose, value.length);
    };
    return {
      ...(transports ? { transported } : {}),
      applicationKey: ({ keys, kid, serial, purpose: use }, purpose) => {
        const master = this.#of(keys, "application", use);
        if (purpose === "to-card") master.judge();
        return master.derive(unhex(serial), kid, purpose);
      },
      loaderKey: (keys, serial) => this.#of(keys, "loader").derive(unhex(serial), LOADER_KEY, "derive"),
      keySet: (keys, serial, diversify = "kdf3"): KeptKeySet | undefined => {
        const master = short(keys, "scp03");
        if (diversify === "none" || master === undefined) return undefined;
        const [enc, mac, dek] = set(master, serial, ["derive", "derive", "key-encryption"]);
        return enc === undefined || mac === undefined || dek === undefined ? undefined : { enc, mac, dek };
      },
      newKeySet: ({ keys, form = "aes-128", diversify = "kdf3" }, serial) => {
        if (form !== "aes-128" || diversify !== "kdf3") return undefined;
        const master = short(keys, "scp03");
        master?.judge();
        return master === undefined ? undefined : set(master, serial, ["to-card", "to-card", "to-card"]);
      },
    };
  }
}

/** Public keys of the register, set up with their first use. */
const opened = new Map<string, KeyObject>();

/** SPKI, base64. */
function openKey(spki: string): KeyObject {
  const key =
    opened.get(spki) ?? createPublicKey({ key: Buffer.from(spki, "base64"), format: "der", type: "spki" });
  opened.set(spki, key);
  return key;
}

/** A master of a token can only derive; to be a card's own key it would have to be used as one. */
const undiversified = (keys: KeyRef): VaultRefusal =>
  new VaultRefusal(
    `key ${keys} is in a token, where masters only derive: cards that all have the master's own keys need the vault`,
  );

/** Undefined: the token is there, and what was wrapped does not open. */
function opening<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof VaultRefusal) return undefined;
    throw error;
  }
}
