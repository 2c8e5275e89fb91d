/** A PKCS#11 token and one logged-in session with it: which call for which purpose, and what its errors mean. Inside the module's process only. */
import type pkcs11js from "pkcs11js";
import type { KeyPurpose } from "@persoline/card/crypto";
import { VaultRefusal } from "../vault-refusal.js";
import { KeystoreProblem } from "../keystore.js";

/** Which token, and what opens it. */
export interface TokenAccess {
  /** Path of the PKCS#11 library. */
  readonly library: string;
  /** Label of the token. */
  readonly label: string;
  readonly pin: string;
}

/** An RSA key's numbers, most significant byte first. */
export type RsaNumbers = Readonly<Record<"n" | "e" | "d" | "p" | "q" | "dp" | "dq" | "qi", Uint8Array>>;

type Library = typeof pkcs11js;
export type Handle = pkcs11js.Handle;
type Template = pkcs11js.Template;

/** The connection to the token is gone, and with it every handle. What was being computed may be computed again after `connect`. */
export class TokenLost extends Error {
  override readonly name = "TokenLost";
}

/** Answers after which sessions and handles are worth nothing (PKCS#11 2.40, 5.1). */
const LOST = new Set([
  "CKR_GENERAL_ERROR",
  "CKR_FUNCTION_FAILED",
  "CKR_DEVICE_ERROR",
  "CKR_DEVICE_REMOVED",
  "CKR_KEY_HANDLE_INVALID",
  "CKR_OBJECT_HANDLE_INVALID",
  "CKR_SESSION_CLOSED",
  "CKR_SESSION_HANDLE_INVALID",
  "CKR_TOKEN_NOT_PRESENT",
  "CKR_TOKEN_NOT_RECOGNIZED",
  "CKR_USER_NOT_LOGGED_IN",
  "CKR_CRYPTOKI_NOT_INITIALIZED",
]);

/**
 * What lies in a token for good: masters that derive (AES) or encrypt diversification data (triple DES), keys of MACs, transport keys that
 * unwrap (AES) or decrypt (triple DES), an issuer's RSA key.
 */
export type KeyKind = "master" | "des-master" | "mac-master" | "transport" | "des-transport" | "signer";

/** What a key may do; everything else is refused by the token itself. */
const USES = {
  derive: ["DERIVE", "ENCRYPT"],
  mac: ["SIGN"],
  cipher: ["ENCRYPT", "DECRYPT"],
  "key-encryption": ["ENCRYPT", "WRAP"],
  "to-card": ["ENCRYPT"],
  master: ["DERIVE"],
  "des-master": ["ENCRYPT"],
  "mac-master": ["SIGN"],
  transport: ["UNWRAP"],
  "des-transport": ["DECRYPT"],
  signer: ["SIGN"],
} as const satisfies Readonly<Record<KeyPurpose | KeyKind, readonly string[]>>;
const PRIVATE_USES = ["DECRYPT", "SIGN", "UNWRAP", "DERIVE"] as const;
const ALL_USES = ["ENCRYPT", "DECRYPT", "SIGN", "VERIFY", "WRAP", "UNWRAP", "DERIVE"] as const;

const DOES_NOT_FIT = new Set([
  "CKR_GENERAL_ERROR",
  "CKR_FUNCTION_FAILED",
  "CKR_WRAPPED_KEY_INVALID",
  "CKR_WRAPPED_KEY_LEN_RANGE",
  "CKR_ENCRYPTED_DATA_INVALID",
]);

/** Ed25519 (PKCS#11 3.0; the library's names end before). */
const EDWARDS = {
  keyType: 0x40,
  generate: 0x1055,
  sign: 0x1057,
  parameters: Buffer.from("06032b6570", "hex"),
} as const;

const reason = (error: unknown): string =>
  error instanceof Error && "code" in error ? error.message : "it failed";

/** The driver, an optional dependency. Throws KeystoreProblem with what to do. */
async function driver(): Promise<Library> {
  try {
    return (await import("pkcs11js")).default;
  } catch {
    throw new KeystoreProblem(
      "missing",
      "the package pkcs11js is not installed, and tokens are reached through it: install a compiler (Debian: apt-get install build-essential python3), then npm ci",
    );
  }
}

export class Token {
  readonly #p11: Library;
  readonly #module: pkcs11js.PKCS11;
  readonly #access: TokenAccess;
  #session: Handle | undefined;
  /** A PIN that was refused once is never shown again: each showing costs a try. */
  #refused = false;
  /** Grows with every connection; a handle is good for one of them. */
  generation = 0;

  private constructor(p11: Library, module: pkcs11js.PKCS11, access: TokenAccess) {
    this.#p11 = p11;
    this.#module = module;
    this.#access = access;
  }

  /** Throws KeystoreProblem: library, token or PIN are not the right ones. */
  static async open(access: TokenAccess): Promise<Token> {
    const p11 = await driver();
    const module = new p11.PKCS11();
    try {
      module.load(access.library);
    } catch (error) {
      throw new KeystoreProblem(
        "missing",
        `${access.library}: this is no PKCS#11 library that can be loaded here (${reason(error)})`,
      );
    }
    const token = new Token(p11, module, access);
    token.connect();
    return token;
  }

  /** Opens a new session, also after the token was lost; all handles from before are void. Throws KeystoreProblem. */
  connect(): void {
    const { label, pin } = this.#access;
    if (this.#refused)
      throw new KeystoreProblem("wrong-passphrase", `token ${label}: its PIN was refused before`);
    this.disconnect();
    this.generation++;
    try {
      this.#tolerating("CKR_CRYPTOKI_ALREADY_INITIALIZED", () => this.#module.C_Initialize());
      const slots = this.#module
        .C_GetSlotList(true)
        .filter((slot) => this.#module.C_GetTokenInfo(slot).label.trimEnd() === label);
      const [slot] = slots;
      if (slot === undefined || slots.length > 1) {
        throw new KeystoreProblem(
          "missing",
          slot === undefined
            ? `there is no token with the label ${label}: is it plugged in, and is the library the right one?`
            : `${slots.length} tokens have the label ${label}: one must be named otherwise`,
        );
      }
      const session = this.#module.C_OpenSession(
        slot,
        this.#p11.CKF_SERIAL_SESSION | this.#p11.CKF_RW_SESSION,
      );
      this.#tolerating("CKR_USER_ALREADY_LOGGED_IN", () =>
        this.#module.C_Login(session, this.#p11.CKU_USER, pin),
      );
      this.#session = session;
    } catch (error) {
      if (error instanceof KeystoreProblem) throw error;
      const text = reason(error);
      if (text.startsWith("CKR_PIN")) {
        this.#refused = true;
        throw new KeystoreProblem(
          "wrong-passphrase",
          `token ${label}: the PIN was refused (${text}); it is not tried again by itself, for each try counts`,
        );
      }
      throw new KeystoreProblem("missing", `token ${label} cannot be opened: ${text}`);
    }
  }

  /** Ends the library's state; a token that is gone already does not matter. */
  disconnect(): void {
    this.#session = undefined;
    try {
      this.#module.C_Finalize();
    } catch {
      // It was not initialised, or is gone.
    }
  }

  /** What the token says of itself, for records. */
  get name(): string {
    return this.#access.label;
  }

  // --- computing

  random(length: number): Uint8Array {
    return this.#bytes((session) => this.#module.C_GenerateRandom(session, Buffer.alloc(length)));
  }

  encryptEcb(key: Handle, data: Uint8Array, cipher: "aes" | "des3" = "aes"): Uint8Array {
    const mechanism = cipher === "aes" ? this.#p11.CKM_AES_ECB : this.#p11.CKM_DES3_ECB;
    return this.#bytes((session) => {
      this.#module.C_EncryptInit(session, { mechanism }, key);
      return this.#module.C_Encrypt(session, Buffer.from(data), Buffer.alloc(data.length));
    });
  }

  encryptCbc(key: Handle, iv: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#bytes((session) => {
      this.#module.C_EncryptInit(session, this.#cbc(iv), key);
      return this.#module.C_Encrypt(session, Buffer.from(data), Buffer.alloc(data.length));
    });
  }

  decryptDes(key: Handle, data: Uint8Array, mode: "ecb" | "cbc"): Uint8Array {
    const mechanism =
      mode === "ecb"
        ? { mechanism: this.#p11.CKM_DES3_ECB }
        : { mechanism: this.#p11.CKM_DES3_CBC, parameter: Buffer.alloc(8) };
    return this.#bytes((session) => {
      this.#module.C_DecryptInit(session, mechanism, key);
      return this.#module.C_Decrypt(session, Buffer.from(data), Buffer.alloc(data.length));
    });
  }

  /** Raw RSA (CKM_RSA_X_509) over a block as long as the modulus. */
  signRaw(key: Handle, block: Uint8Array): Uint8Array {
    return this.#bytes((session) => {
      this.#module.C_SignInit(session, { mechanism: this.#p11.CKM_RSA_X_509 }, key);
      return this.#module.C_Sign(session, Buffer.from(block), Buffer.alloc(block.length));
    });
  }

  /**
   * What was wrapped under a transport key (CKM_AES_KEY_WRAP_PAD, RFC 5649), as an object that may leave it only under another key. The caller
   * destroys it. Throws VaultRefusal when it does not open.
   */
  unwrap(by: Handle, wrapped: Uint8Array): Handle {
    return this.#unwrapped(by, wrapped, true);
  }

  /** The same, read and destroyed. The caller wipes it. */
  unwrapBytes(by: Handle, wrapped: Uint8Array): Uint8Array {
    const object = this.#unwrapped(by, wrapped, false);
    try {
      return this.#value(object);
    } finally {
      this.destroy(object);
    }
  }

  decryptCbc(key: Handle, iv: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#bytes((session) => {
      this.#module.C_DecryptInit(session, this.#cbc(iv), key);
      return this.#module.C_Decrypt(session, Buffer.from(data), Buffer.alloc(data.length));
    });
  }

  cmac(key: Handle, message: Uint8Array): Uint8Array {
    return this.#bytes((session) => {
      this.#module.C_SignInit(session, { mechanism: this.#p11.CKM_AES_CMAC }, key);
      return this.#module.C_Sign(session, Buffer.from(message), Buffer.alloc(16));
    });
  }

  /** The bytes of an extractable key, at most 16 unless said otherwise, under another one: AES-CBC, IV 0, without padding. */
  wrap(by: Handle, key: Handle, length = 16): Uint8Array {
    return this.#bytes((session) =>
      this.#alive(session, "it does not come out under that key", () =>
        this.#module.C_WrapKey(session, this.#cbc(new Uint8Array(16)), by, key, Buffer.alloc(length)),
      ),
    );
  }

  /** The key E(key, iv ⊕ block), 16 bytes, as an object of this session (CKM_AES_CBC_ENCRYPT_DATA). */
  derive(key: Handle, iv: Uint8Array, block: Uint8Array, purpose: KeyPurpose): Handle {
    return this.#derived(key, iv, block, [
      { type: this.#p11.CKA_SENSITIVE, value: true },
      { type: this.#p11.CKA_EXTRACTABLE, value: purpose === "to-card" },
      ...this.#uses(USES[purpose]),
    ]);
  }

  /** E(key, block) under a key that may do nothing but derive: derived as a readable object, read, destroyed. */
  deriveBytes(key: Handle, block: Uint8Array): Uint8Array {
    const object = this.#derived(key, new Uint8Array(16), block, [
      { type: this.#p11.CKA_SENSITIVE, value: false },
      { type: this.#p11.CKA_EXTRACTABLE, value: true },
      ...this.#uses([]),
    ]);
    try {
      return this.#value(object);
    } finally {
      this.destroy(object);
    }
  }

  signEd25519(key: Handle, bytes: Uint8Array): Uint8Array {
    return this.#bytes((session) => {
      this.#module.C_SignInit(session, { mechanism: EDWARDS.sign }, key);
      return this.#module.C_Sign(session, Buffer.from(bytes), Buffer.alloc(64));
    });
  }

  /** An object of a lost token is gone already. */
  destroy(object: Handle): void {
    try {
      this.#call((session) => this.#module.C_DestroyObject(session, object));
    } catch (error) {
      if (!(error instanceof TokenLost)) throw error;
    }
  }

  // --- keys that stay

  /** A master: sensitive, never extractable, for one purpose. `value`: of a published test key; without it the token draws it. */
  makeMaster(
    {
      label,
      algorithm,
      kind = algorithm === "3DES" ? "des-master" : "master",
    }: {
      readonly label: string;
      readonly algorithm: "AES-128" | "AES-192" | "AES-256" | "3DES";
      readonly kind?: Exclude<KeyKind, "signer">;
    },
    value?: Uint8Array,
    { keeps = true }: { readonly keeps?: boolean } = {},
  ): Handle {
    const isDes = algorithm === "3DES";
    const p11 = this.#p11;
    const template: Template = [
      { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
      { type: p11.CKA_KEY_TYPE, value: isDes ? p11.CKK_DES2 : p11.CKK_AES },
      { type: p11.CKA_TOKEN, value: keeps },
      { type: p11.CKA_PRIVATE, value: true },
      { type: p11.CKA_SENSITIVE, value: true },
      { type: p11.CKA_EXTRACTABLE, value: false },
      { type: p11.CKA_LABEL, value: label },
      ...this.#uses(USES[kind]),
    ];
    return this.#call((session) => {
      if (value !== undefined) {
        const copy = Buffer.from(value);
        try {
          return this.#module.C_CreateObject(session, [...template, { type: p11.CKA_VALUE, value: copy }]);
        } finally {
          copy.fill(0);
        }
      }
      if (isDes) return this.#module.C_GenerateKey(session, { mechanism: p11.CKM_DES2_KEY_GEN }, template);
      const length = { type: p11.CKA_VALUE_LEN, value: Number(algorithm.slice(4)) / 8 };
      return this.#module.C_GenerateKey(session, { mechanism: p11.CKM_AES_KEY_GEN }, [...template, length]);
    });
  }

  /** A throw-away AES key of this session with a known value: for probes. */
  importKey(value: Uint8Array, purpose: KeyPurpose): Handle {
    const p11 = this.#p11;
    return this.#call((session) =>
      this.#module.C_CreateObject(session, [
        { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
        { type: p11.CKA_KEY_TYPE, value: p11.CKK_AES },
        { type: p11.CKA_TOKEN, value: false },
        { type: p11.CKA_PRIVATE, value: true },
        { type: p11.CKA_SENSITIVE, value: true },
        { type: p11.CKA_EXTRACTABLE, value: purpose === "to-card" },
        { type: p11.CKA_VALUE, value: Buffer.from(value) },
        ...this.#uses(USES[purpose]),
      ]),
    );
  }

  /** A pair for signatures; its public point, 32 bytes. */
  makeSigningPair(label: string, { keeps = true }: { readonly keeps?: boolean } = {}) {
    const p11 = this.#p11;
    const common = [
      { type: p11.CKA_KEY_TYPE, value: EDWARDS.keyType },
      { type: p11.CKA_TOKEN, value: keeps },
      { type: p11.CKA_LABEL, value: label },
    ];
    return this.#call((session) => {
      const pair = this.#module.C_GenerateKeyPair(
        session,
        { mechanism: EDWARDS.generate },
        [
          ...common,
          { type: p11.CKA_EC_PARAMS, value: EDWARDS.parameters },
          { type: p11.CKA_VERIFY, value: true },
        ],
        [
          ...common,
          { type: p11.CKA_PRIVATE, value: true },
          { type: p11.CKA_SENSITIVE, value: true },
          { type: p11.CKA_EXTRACTABLE, value: false },
          { type: p11.CKA_SIGN, value: true },
        ],
      );
      const [point] = this.#module.C_GetAttributeValue(session, pair.publicKey, [{ type: p11.CKA_EC_POINT }]);
      // An OCTET STRING around it (PKCS#11 3.0, 6.3.3), which some tokens leave out.
      return {
        secret: pair.privateKey,
        open: new Uint8Array(Buffer.from(point?.value as Buffer)).slice(-32),
      };
    });
  }

  /** An RSA pair for raw signatures, exponent 3, drawn in the token; its modulus. */
  makeRsaPair(label: string, bits: number, { keeps = true }: { readonly keeps?: boolean } = {}) {
    const p11 = this.#p11;
    const common = [
      { type: p11.CKA_TOKEN, value: keeps },
      { type: p11.CKA_LABEL, value: label },
    ];
    return this.#call((session) => {
      const pair = this.#module.C_GenerateKeyPair(
        session,
        { mechanism: p11.CKM_RSA_PKCS_KEY_PAIR_GEN },
        [
          ...common,
          { type: p11.CKA_MODULUS_BITS, value: bits },
          { type: p11.CKA_PUBLIC_EXPONENT, value: Buffer.of(3) },
          { type: p11.CKA_VERIFY, value: true },
          { type: p11.CKA_ENCRYPT, value: false },
          { type: p11.CKA_WRAP, value: false },
        ],
        [...common, ...this.#privateRsa()],
      );
      const [modulus] = this.#module.C_GetAttributeValue(session, pair.publicKey, [
        { type: p11.CKA_MODULUS },
      ]);
      return { secret: pair.privateKey, modulus: new Uint8Array(Buffer.from(modulus?.value as Buffer)) };
    });
  }

  /** A test key that everybody may know, as if it had been drawn here. */
  importRsa(label: string, key: RsaNumbers, { keeps = true }: { readonly keeps?: boolean } = {}): Handle {
    const p11 = this.#p11;
    const number = (type: number, value: Uint8Array) => ({ type, value: Buffer.from(value) });
    return this.#call((session) =>
      this.#module.C_CreateObject(session, [
        { type: p11.CKA_CLASS, value: p11.CKO_PRIVATE_KEY },
        { type: p11.CKA_KEY_TYPE, value: p11.CKK_RSA },
        { type: p11.CKA_TOKEN, value: keeps },
        { type: p11.CKA_LABEL, value: label },
        ...this.#privateRsa(),
        number(p11.CKA_MODULUS, key.n),
        number(p11.CKA_PUBLIC_EXPONENT, key.e),
        number(p11.CKA_PRIVATE_EXPONENT, key.d),
        number(p11.CKA_PRIME_1, key.p),
        number(p11.CKA_PRIME_2, key.q),
        number(p11.CKA_EXPONENT_1, key.dp),
        number(p11.CKA_EXPONENT_2, key.dq),
        number(p11.CKA_COEFFICIENT, key.qi),
      ]),
    );
  }

  /** All keys of this label. */
  find(label: string, kind: "secret" | "private"): Handle[] {
    const p11 = this.#p11;
    return this.#call((session) => {
      this.#module.C_FindObjectsInit(session, [
        { type: p11.CKA_CLASS, value: kind === "secret" ? p11.CKO_SECRET_KEY : p11.CKO_PRIVATE_KEY },
        { type: p11.CKA_LABEL, value: label },
      ]);
      try {
        return this.#module.C_FindObjects(session, 64);
      } finally {
        this.#module.C_FindObjectsFinal(session);
      }
    });
  }

  /** Why a key must not be used as a master here; undefined when it is as it was made. */
  wrongAttributes(key: Handle, purpose: KeyKind): string | undefined {
    const p11 = this.#p11;
    const allowed: readonly string[] = USES[purpose];
    return this.#call((session) => {
      const is = (type: number): boolean =>
        ((this.#module.C_GetAttributeValue(session, key, [{ type }])[0]?.value as Buffer | undefined)?.[0] ??
          0) !== 0;
      if (!is(p11.CKA_SENSITIVE) || is(p11.CKA_EXTRACTABLE)) return "it may leave the token";
      // Of private keys tokens know a few of the uses only.
      const known = purpose === "signer" ? PRIVATE_USES : ALL_USES;
      const more = known.filter((use) => is(p11[`CKA_${use}`]) && !allowed.includes(use));
      return more.length === 0 ? undefined : `it may also ${more.join(", ").toLowerCase()}`;
    });
  }

  // --- inside

  #privateRsa(): Template {
    const p11 = this.#p11;
    return [
      { type: p11.CKA_PRIVATE, value: true },
      { type: p11.CKA_SENSITIVE, value: true },
      { type: p11.CKA_EXTRACTABLE, value: false },
      ...PRIVATE_USES.map((use) => ({ type: p11[`CKA_${use}`], value: use === "SIGN" })),
    ];
  }

  #value(object: Handle): Uint8Array {
    return this.#bytes((session) => {
      const [attribute] = this.#module.C_GetAttributeValue(session, object, [{ type: this.#p11.CKA_VALUE }]);
      return Buffer.from((attribute?.value as Buffer | undefined) ?? []);
    });
  }

  #unwrapped(by: Handle, wrapped: Uint8Array, sensitive: boolean): Handle {
    const p11 = this.#p11;
    const template = [
      { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
      { type: p11.CKA_KEY_TYPE, value: p11.CKK_GENERIC_SECRET },
      { type: p11.CKA_TOKEN, value: false },
      { type: p11.CKA_PRIVATE, value: true },
      { type: p11.CKA_SENSITIVE, value: sensitive },
      { type: p11.CKA_EXTRACTABLE, value: true },
      ...this.#uses([]),
    ];
    return this.#call((session) =>
      this.#alive(session, "what was wrapped does not open", () =>
        this.#module.C_UnwrapKey(
          session,
          { mechanism: p11.CKM_AES_KEY_WRAP_PAD },
          by,
          Buffer.from(wrapped),
          template,
        ),
      ),
    );
  }

  /** SoftHSM answers like a lost token when a value does not fit; a session that is alive tells the two apart. */
  #alive<T>(session: Handle, what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!DOES_NOT_FIT.has(reason(error))) throw error;
      this.#module.C_GetSessionInfo(session);
      throw new VaultRefusal(`token ${this.#access.label}: ${what} (${reason(error)})`);
    }
  }

  #cbc(iv: Uint8Array): pkcs11js.Mechanism {
    return { mechanism: this.#p11.CKM_AES_CBC, parameter: Buffer.from(iv) };
  }

  #uses(allowed: readonly string[]): Template {
    return ALL_USES.map((use) => ({ type: this.#p11[`CKA_${use}`], value: allowed.includes(use) }));
  }

  #derived(key: Handle, iv: Uint8Array, block: Uint8Array, template: Template): Handle {
    const p11 = this.#p11;
    const parameter = { type: p11.CK_PARAMS_AES_CBC, iv: Buffer.from(iv), data: Buffer.from(block) };
    return this.#call((session) =>
      this.#module.C_DeriveKey(session, { mechanism: p11.CKM_AES_CBC_ENCRYPT_DATA, parameter }, key, [
        { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
        { type: p11.CKA_KEY_TYPE, value: p11.CKK_AES },
        { type: p11.CKA_VALUE_LEN, value: 16 },
        { type: p11.CKA_TOKEN, value: false },
        { type: p11.CKA_PRIVATE, value: true },
        ...template,
      ]),
    );
  }

  #bytes(work: (session: Handle) => Buffer): Uint8Array {
    return new Uint8Array(this.#call(work));
  }

  #call<T>(work: (session: Handle) => T): T {
    const session = this.#session;
    if (session === undefined) throw new TokenLost(`token ${this.#access.label} is not connected`);
    try {
      return work(session);
    } catch (error) {
      if (error instanceof VaultRefusal || error instanceof TokenLost) throw error;
      const text = reason(error);
      const where = error instanceof Error && "method" in error ? ` in ${String(error.method)}` : "";
      if (LOST.has(text)) throw new TokenLost(`token ${this.#access.label} was lost (${text}${where})`);
      throw new VaultRefusal(`token ${this.#access.label} refuses: ${text}${where}`);
    }
  }

  #tolerating(code: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (reason(error) !== code) throw error;
    }
  }
}
