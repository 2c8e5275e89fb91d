/** The keyring whose masters are in a token. What the token can do with cards' AES keys of 16 bytes it does itself; the rest is computed here. */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { unhex } from "@persoline/card/bytes";
import type { KeptKey, KeyPurpose } from "@persoline/card/crypto";
import { diversify3desWith, type KeptKeySet, type KeySet } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { diversifyAn10922 } from "@persoline/card/desfire";
import type { DesfireKey, Diversification, KeyRef, Part, Serial } from "@persoline/card/program";
import { desfireInput, type KeptKeys, Keyring, refuseTestKey, VaultRefusal } from "../keyring.js";
import { KeystoreProblem } from "../keystore.js";
import { type Purpose, whyNot } from "../office/life.js";
import type { KeyDescription } from "../port.js";
import { findMaster, findSigning, type Master, ownNumbers, signingKeyOf } from "./masters.js";
import { descriptionOf, judgeRegister, type Register } from "./register.js";
import { type Handle, type Token, TokenLost } from "./token.js";

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
  #sealing: Uint8Array = new Uint8Array(0);
  /** Everything of the register was found over the present connection. */
  #whole = false;
  #signing: Signing;
  readonly #open: KeyObject;

  /** `keptKeys`: whether the probes found that cards' keys can stay in this token. Throws VaultRefusal, KeystoreProblem. */
  constructor(token: Token, file: string, register: Register, { keptKeys }: { readonly keptKeys: boolean }) {
    super(register.environment, []);
    for (const key of register.keys) refuseTestKey(register.environment, key);
    this.#token = token;
    this.#file = file;
    this.#register = register;
    this.office = register.office ?? this.office;
    this.#open = createPublicKey({
      key: Buffer.from(register.signature.open, "base64"),
      format: "der",
      type: "spki",
    });
    this.#signing = this.#findAll();
    if (keptKeys) this.kept = this.#keptKeys();
  }

  override describe(): KeyDescription[] {
    return this.#register.keys.map(descriptionOf);
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
    return diversify3desWith((data) => master.desEncrypt(data), unhex(serial), diversify);
  }

  override desfireKey(
    { keys, input }: DesfireKey,
    at: { readonly serial: Serial; readonly aid: number; readonly key: number },
  ): Uint8Array {
    const master = this.#of(keys, "desfire");
    if (input === undefined) throw undiversified(keys);
    const there = { ...nodeCrypto, aes: () => master.cipher() };
    // The adapter answers for the master: no bytes of it are here.
    return diversifyAn10922(there, "AES-128", new Uint8Array(16), desfireInput(input, at));
  }

  override newKeySet(part: Extract<Part, { secret: "key-set" }>, serial: Serial): KeySet {
    this.#masters.get(part.keys)?.judge();
    return super.newKeySet(part, serial);
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
    return createPublicKey({
      key: Buffer.from(this.#register.letterPrinter, "base64"),
      format: "der",
      type: "spki",
    });
  }

  /** After a lost connection: a new one, with every key found again by what it is. Never more than one attempt a call. */
  override revived(problem: unknown): boolean {
    if (!(problem instanceof TokenLost)) return false;
    try {
      this.#token.connect();
      this.#signing = this.#findAll();
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
    this.#whole = false;
    this.#sealing.fill(0);
    this.#masters.clear();
    this.#token.disconnect();
  }

  #findAll(): Signing {
    this.#whole = false;
    this.#masters.clear();
    for (const key of this.#register.keys) {
      if (key.life?.state === "destroyed") continue;
      if (key.algorithm.startsWith("AES") || key.algorithm === "3DES")
        this.#masters.set(key.name, findMaster(this.#token, key));
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
    const { secret } = signingKeyOf(seed);
    seed.fill(0);
    return { by: "module-process", key: secret };
  }

  /** Throws TokenLost after a reconnect that did not find everything. */
  #mustBeWhole(): void {
    if (!this.#whole)
      throw new TokenLost(`token ${this.#token.name} was lost, and not all its keys were found again`);
  }

  #of(name: KeyRef, use: KeyDescription["use"], purpose: Purpose = "make"): Master {
    this.#mustBeWhole();
    const life = this.#register.keys.find((key) => key.name === name)?.life;
    const why = life === undefined ? undefined : whyNot(name, life, purpose, this.now());
    if (why !== undefined) throw new VaultRefusal(why);
    const master = this.#masters.get(name);
    if (master === undefined)
      throw new VaultRefusal(`token ${this.#token.name}: there is no key ${name} for cards`);
    if (master.key.use !== use)
      throw new VaultRefusal(`key ${name} is for ${master.key.use}, not for ${use}: a key has one purpose`);
    return master;
  }

  #keptKeys(): KeptKeys {
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
    return {
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

/** A master of a token can only derive; to be a card's own key it would have to be used as one. */
const undiversified = (keys: KeyRef): VaultRefusal =>
  new VaultRefusal(
    `key ${keys} is in a token, where masters only derive: cards that all have the master's own keys need the vault`,
  );
