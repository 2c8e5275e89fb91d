/** What is computed inside a token: which mechanism for which purpose. */
import type pkcs11js from "pkcs11js";
import type { KeyPurpose } from "@persoline/card/crypto";
import { ALL_USES, USES } from "./key-uses.js";
import { type Handle, TokenLost, TokenSession } from "./token-session.js";

export type Template = pkcs11js.Template;

/** Ed25519 (PKCS#11 3.0; the library's names end before). */
export const EDWARDS = {
  keyType: 0x40,
  generate: 0x1055,
  sign: 0x1057,
  parameters: Buffer.from("06032b6570", "hex"),
} as const;

/** For the library's binding: no copy, least of all one in a pool that nobody wipes. */
const sameMemory = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export class TokenComputing extends TokenSession {
  random(length: number): Uint8Array {
    return this.bytes({ does: "draw random bytes" }, (session) =>
      this.module.C_GenerateRandom(session, Buffer.alloc(length)),
    );
  }

  encryptEcb(key: Handle, data: Uint8Array, cipher: "aes" | "des3" = "aes"): Uint8Array {
    const mechanism = cipher === "aes" ? this.p11.CKM_AES_ECB : this.p11.CKM_DES3_ECB;
    return this.bytes({ does: "encrypt with", key }, (session) => {
      this.module.C_EncryptInit(session, { mechanism }, key);
      return this.module.C_Encrypt(session, sameMemory(data), Buffer.alloc(data.length));
    });
  }

  encryptCbc(key: Handle, iv: Uint8Array, data: Uint8Array): Uint8Array {
    return this.bytes({ does: "encrypt with", key }, (session) => {
      this.module.C_EncryptInit(session, this.#cbc(iv), key);
      return this.module.C_Encrypt(session, sameMemory(data), Buffer.alloc(data.length));
    });
  }

  decryptEcb(key: Handle, data: Uint8Array, cipher: "aes" | "des3"): Uint8Array {
    const mechanism = cipher === "aes" ? this.p11.CKM_AES_ECB : this.p11.CKM_DES3_ECB;
    return this.bytes({ does: "decrypt with", key }, (session) => {
      this.module.C_DecryptInit(session, { mechanism }, key);
      return this.module.C_Decrypt(session, sameMemory(data), Buffer.alloc(data.length));
    });
  }

  decryptDes(key: Handle, data: Uint8Array, mode: "ecb" | "cbc"): Uint8Array {
    if (mode === "ecb") return this.decryptEcb(key, data, "des3");
    const mechanism = { mechanism: this.p11.CKM_DES3_CBC, parameter: Buffer.alloc(8) };
    return this.bytes({ does: "decrypt with", key }, (session) => {
      this.module.C_DecryptInit(session, mechanism, key);
      return this.module.C_Decrypt(session, sameMemory(data), Buffer.alloc(data.length));
    });
  }

  /** Raw RSA (CKM_RSA_X_509) over a block as long as the modulus. */
  signRaw(key: Handle, block: Uint8Array): Uint8Array {
    return this.bytes({ does: "sign with", key }, (session) => {
      this.module.C_SignInit(session, { mechanism: this.p11.CKM_RSA_X_509 }, key);
      return this.module.C_Sign(session, Buffer.from(block), Buffer.alloc(block.length));
    });
  }

  /**
   * What was wrapped under a transport key (CKM_AES_KEY_WRAP_PAD, RFC 5649): on its way into a card an object that may leave the token only
   * under another key; as a key of MACs one that never leaves it. The caller destroys it. Throws VaultRefusal when it does not open.
   */
  unwrap(by: Handle, wrapped: Uint8Array, purpose: "to-card" | "mac"): Handle {
    return this.#unwrapped(by, wrapped, purpose);
  }

  /** The same, read and destroyed. The caller wipes it. */
  unwrapBytes(by: Handle, wrapped: Uint8Array): Uint8Array {
    const object = this.#unwrapped(by, wrapped, "read");
    try {
      return this.#value(object);
    } finally {
      this.destroy(object);
    }
  }

  decryptCbc(key: Handle, iv: Uint8Array, data: Uint8Array): Uint8Array {
    return this.bytes({ does: "decrypt with", key }, (session) => {
      this.module.C_DecryptInit(session, this.#cbc(iv), key);
      return this.module.C_Decrypt(session, sameMemory(data), Buffer.alloc(data.length));
    });
  }

  cmac(key: Handle, message: Uint8Array): Uint8Array {
    return this.bytes({ does: "make a MAC with", key }, (session) => {
      this.module.C_SignInit(session, { mechanism: this.p11.CKM_AES_CMAC }, key);
      return this.module.C_Sign(session, sameMemory(message), Buffer.alloc(16));
    });
  }

  /** The bytes of an extractable key, at most 16 unless said otherwise, under another one: AES-CBC, IV 0, without padding. */
  wrap(by: Handle, key: Handle, length = 16): Uint8Array {
    const doing = { does: "wrap a card's key under", key: by };
    return this.bytes(doing, (session) =>
      this.alive(session, doing, () =>
        this.module.C_WrapKey(session, this.#cbc(new Uint8Array(16)), by, key, Buffer.alloc(length)),
      ),
    );
  }

  /** The key E(key, iv ⊕ block), 16 bytes, as an object of this session (CKM_AES_CBC_ENCRYPT_DATA). */
  derive(key: Handle, iv: Uint8Array, block: Uint8Array, purpose: KeyPurpose): Handle {
    return this.#derived(key, iv, block, [
      { type: this.p11.CKA_SENSITIVE, value: true },
      { type: this.p11.CKA_EXTRACTABLE, value: purpose === "to-card" },
      ...this.uses(USES[purpose]),
    ]);
  }

  /** E(key, block) under a key that may do nothing but derive: derived as a readable object, read, destroyed. */
  deriveBytes(key: Handle, block: Uint8Array): Uint8Array {
    const object = this.#derived(key, new Uint8Array(16), block, [
      { type: this.p11.CKA_SENSITIVE, value: false },
      { type: this.p11.CKA_EXTRACTABLE, value: true },
      ...this.uses([]),
    ]);
    try {
      return this.#value(object);
    } finally {
      this.destroy(object);
    }
  }

  signEd25519(key: Handle, bytes: Uint8Array): Uint8Array {
    return this.bytes({ does: "sign with", key }, (session) => {
      this.module.C_SignInit(session, { mechanism: EDWARDS.sign }, key);
      return this.module.C_Sign(session, Buffer.from(bytes), Buffer.alloc(64));
    });
  }

  /** An object of a lost token is gone already. */
  destroy(object: Handle): void {
    try {
      this.call({ does: "delete", key: object }, (session) => this.module.C_DestroyObject(session, object));
      this.forgotten(object);
    } catch (error) {
      if (!(error instanceof TokenLost)) throw error;
    }
  }

  // --- inside

  protected uses(allowed: readonly string[]): Template {
    return ALL_USES.map((use) => ({ type: this.p11[`CKA_${use}`], value: allowed.includes(use) }));
  }

  #value(object: Handle): Uint8Array {
    return this.bytes({ does: "read the value of", key: object }, (session) => {
      const [attribute] = this.module.C_GetAttributeValue(session, object, [{ type: this.p11.CKA_VALUE }]);
      // The very bytes that the binding gave: a copy in a pool would stay.
      return (attribute?.value as Buffer | undefined) ?? Buffer.alloc(0);
    });
  }

  #unwrapped(by: Handle, wrapped: Uint8Array, purpose: "to-card" | "mac" | "read"): Handle {
    const p11 = this.p11;
    const makesMacs = purpose === "mac";
    const template = [
      { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
      { type: p11.CKA_KEY_TYPE, value: makesMacs ? p11.CKK_AES : p11.CKK_GENERIC_SECRET },
      { type: p11.CKA_TOKEN, value: false },
      { type: p11.CKA_PRIVATE, value: true },
      { type: p11.CKA_SENSITIVE, value: purpose !== "read" },
      { type: p11.CKA_EXTRACTABLE, value: !makesMacs },
      ...this.uses(makesMacs ? USES.mac : []),
    ];
    const doing = { does: "open what was wrapped under", key: by };
    return this.call(doing, (session) =>
      this.alive(session, doing, () =>
        this.module.C_UnwrapKey(
          session,
          { mechanism: p11.CKM_AES_KEY_WRAP_PAD },
          by,
          Buffer.from(wrapped),
          template,
        ),
      ),
    );
  }

  #cbc(iv: Uint8Array): pkcs11js.Mechanism {
    return { mechanism: this.p11.CKM_AES_CBC, parameter: Buffer.from(iv) };
  }

  #derived(key: Handle, iv: Uint8Array, block: Uint8Array, template: Template): Handle {
    const p11 = this.p11;
    const parameter = { type: p11.CK_PARAMS_AES_CBC, iv: Buffer.from(iv), data: sameMemory(block) };
    return this.call({ does: "derive from", key }, (session) =>
      this.module.C_DeriveKey(session, { mechanism: p11.CKM_AES_CBC_ENCRYPT_DATA, parameter }, key, [
        { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
        { type: p11.CKA_KEY_TYPE, value: p11.CKK_AES },
        { type: p11.CKA_VALUE_LEN, value: 16 },
        { type: p11.CKA_TOKEN, value: false },
        { type: p11.CKA_PRIVATE, value: true },
        ...template,
      ]),
    );
  }
}
