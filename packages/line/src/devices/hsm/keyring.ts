/** The open keys, inside the vault's process only: each has one use, and asking for another is refused. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { hex, unhex } from "@persoline/card/bytes";
import { kcvAes } from "@persoline/card/crypto";
import { diversifyKdf3, diversifyKeyKdf3, type KeySet } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import type { KeyRef, Serial } from "@persoline/card/program";
import type { StoredKey } from "./keystore.js";
import type { Environment, KeyDescription } from "./port.js";

/** The vault refuses, and says why: the caller's fault or the key's, never a card's. */
export class VaultRefusal extends Error {
  override readonly name = "VaultRefusal";
}

/** Number of the loader key in KDF3 (docs/card-os.md 2). */
const LOADER_KEY = 0x10;

interface Open {
  readonly stored: StoredKey;
  readonly bytes: Uint8Array;
}

export class Keyring {
  readonly environment: Environment;
  readonly #keys = new Map<string, Open>();

  constructor(environment: Environment, keys: readonly StoredKey[]) {
    this.environment = environment;
    for (const stored of keys) {
      if (environment === "live" && (stored.published || stored.environment !== "live")) {
        throw new VaultRefusal(
          `key ${stored.name} is a published or test key: it must not stand in a live keystore; make a new key set`,
        );
      }
      this.#keys.set(stored.name, { stored, bytes: new Uint8Array(Buffer.from(stored.value, "base64")) });
    }
  }

  describe(): KeyDescription[] {
    return [...this.#keys.values()].map(({ stored, bytes }) => ({
      name: stored.name,
      use: stored.use,
      algorithm: stored.algorithm,
      kcv: stored.algorithm.startsWith("AES") ? hex(kcvAes(nodeCrypto, bytes)) : "",
      environment: stored.environment,
      published: stored.published,
    }));
  }

  /** The card's own key under an application master; the caller wipes it. */
  applicationKey(keys: KeyRef, kid: number, serial: Serial): Uint8Array {
    return diversifyKeyKdf3(nodeCrypto, this.#master(keys, "application"), unhex(serial), kid);
  }

  loaderKey(keys: KeyRef, serial: Serial): Uint8Array {
    return diversifyKeyKdf3(nodeCrypto, this.#master(keys, "loader"), unhex(serial), LOADER_KEY);
  }

  /** The card's key set under an SCP03 master; the caller wipes it. */
  keySet(keys: KeyRef, serial: Serial): KeySet {
    return diversifyKdf3(nodeCrypto, this.#master(keys, "scp03"), unhex(serial));
  }

  /** The one key that seals PINs and data keys. */
  sealing(): Uint8Array {
    return this.#only("seal").bytes;
  }

  signing(): { readonly secret: KeyObject; readonly open: KeyObject } {
    const secret = createPrivateKey({
      key: Buffer.from(this.#only("sign").bytes),
      format: "der",
      type: "pkcs8",
    });
    return { secret, open: createPublicKey(secret) };
  }

  /** The letter printer's public key. */
  letterPrinter(): KeyObject {
    return createPublicKey({ key: Buffer.from(this.#only("letter").bytes), format: "der", type: "spki" });
  }

  wipe(): void {
    for (const { bytes } of this.#keys.values()) bytes.fill(0);
    this.#keys.clear();
  }

  #master(name: KeyRef, use: KeyDescription["use"]): Uint8Array {
    const found = this.#keys.get(name);
    if (found === undefined) {
      throw new VaultRefusal(
        `there is no key ${name} in this keystore; "persoline keys list" shows what there is`,
      );
    }
    if (found.stored.use !== use) {
      throw new VaultRefusal(`key ${name} is for ${found.stored.use}, not for ${use}: a key has one purpose`);
    }
    return found.bytes;
  }

  #only(use: KeyDescription["use"]): Open {
    const found = [...this.#keys.values()].find(({ stored }) => stored.use === use);
    if (found === undefined) throw new VaultRefusal(`this keystore has no key for "${use}"`);
    return found;
  }
}
