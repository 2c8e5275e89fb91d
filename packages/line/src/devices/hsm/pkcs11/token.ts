/** The keys of a token: made for one purpose, found, and judged by what they may do. */
import type { KeyPurpose } from "@persoline/card/crypto";
import type { KeyStanding } from "../port.js";
import { VaultRefusal } from "../vault-refusal.js";
import { ALL_USES, type KeyKind, PRIVATE_USES, USES } from "./key-uses.js";
import { EDWARDS, type Template, TokenComputing } from "./token-computing.js";
import { type Handle, loaded, type TokenAccess, TokenRefusal } from "./token-session.js";

export { type Handle, type TokenAccess, TokenLost } from "./token-session.js";
export type { KeyKind } from "./key-uses.js";

/** An RSA key's numbers, most significant byte first. */
export type RsaNumbers = Readonly<Record<"n" | "e" | "d" | "p" | "q" | "dp" | "dq" | "qi", Uint8Array>>;

/** What of a label can be looked for. */
export const findable = ["secret", "private", "public"] as const;
type Findable = (typeof findable)[number];

/** Answers of tokens that know neither CKA_MODIFIABLE of keys nor CKA_COPYABLE (PKCS#11 2.20). */
const UNKNOWN_ATTRIBUTE: readonly (string | undefined)[] = [
  "CKR_ATTRIBUTE_TYPE_INVALID",
  "CKR_ATTRIBUTE_VALUE_INVALID",
  "CKR_TEMPLATE_INCONSISTENT",
];

export class Token extends TokenComputing {
  /** What the CKA_ID of every secret that is made for good begins with: which attempt made it. Public halves have none. */
  mark: Uint8Array | undefined;
  #marked = 0;

  /** Throws KeystoreProblem: library, token or PIN are not the right ones. */
  static async open(access: TokenAccess): Promise<Token> {
    const token = new Token(await loaded(access));
    token.connect();
    return token;
  }

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
    const p11 = this.p11;
    const template: Template = [
      { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
      { type: p11.CKA_KEY_TYPE, value: isDes ? p11.CKK_DES2 : p11.CKK_AES },
      { type: p11.CKA_TOKEN, value: keeps },
      { type: p11.CKA_PRIVATE, value: true },
      { type: p11.CKA_SENSITIVE, value: true },
      { type: p11.CKA_EXTRACTABLE, value: false },
      { type: p11.CKA_LABEL, value: label },
      ...this.uses(USES[kind]),
    ];
    const made = this.#lasting(keeps, (lasting) =>
      this.call({ does: "make", key: label }, (session) => {
        const whole = [...template, ...lasting];
        if (value !== undefined) {
          const copy = Buffer.from(value);
          try {
            return this.module.C_CreateObject(session, [...whole, { type: p11.CKA_VALUE, value: copy }]);
          } finally {
            copy.fill(0);
          }
        }
        if (isDes) return this.module.C_GenerateKey(session, { mechanism: p11.CKM_DES2_KEY_GEN }, whole);
        const length = { type: p11.CKA_VALUE_LEN, value: Number(algorithm.slice(4)) / 8 };
        return this.module.C_GenerateKey(session, { mechanism: p11.CKM_AES_KEY_GEN }, [...whole, length]);
      }),
    );
    return this.labelled(made, label);
  }

  /** A throw-away AES key of this session with a known value: for probes. */
  importKey(value: Uint8Array, purpose: KeyPurpose): Handle {
    const p11 = this.p11;
    return this.call({ does: "take in", key: "of a probe" }, (session) =>
      this.module.C_CreateObject(session, [
        { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
        { type: p11.CKA_KEY_TYPE, value: p11.CKK_AES },
        { type: p11.CKA_TOKEN, value: false },
        { type: p11.CKA_PRIVATE, value: true },
        { type: p11.CKA_SENSITIVE, value: true },
        { type: p11.CKA_EXTRACTABLE, value: purpose === "to-card" },
        { type: p11.CKA_VALUE, value: Buffer.from(value) },
        ...this.uses(USES[purpose]),
      ]),
    );
  }

  /** A pair for signatures; its public point, 32 bytes. */
  makeSigningPair(label: string, { keeps = true }: { readonly keeps?: boolean } = {}) {
    const p11 = this.p11;
    const common = [
      { type: p11.CKA_KEY_TYPE, value: EDWARDS.keyType },
      { type: p11.CKA_TOKEN, value: keeps },
      { type: p11.CKA_LABEL, value: label },
    ];
    const pair = this.#lasting(keeps, (lasting) =>
      this.call({ does: "make the pair of", key: label }, (session) =>
        this.module.C_GenerateKeyPair(
          session,
          { mechanism: EDWARDS.generate },
          [
            ...common,
            { type: p11.CKA_EC_PARAMS, value: EDWARDS.parameters },
            { type: p11.CKA_VERIFY, value: true },
          ],
          [
            ...common,
            ...lasting,
            { type: p11.CKA_PRIVATE, value: true },
            { type: p11.CKA_SENSITIVE, value: true },
            { type: p11.CKA_EXTRACTABLE, value: false },
            { type: p11.CKA_SIGN, value: true },
          ],
        ),
      ),
    );
    this.labelled(pair.privateKey, label);
    return this.call({ does: "read the public half of", key: label }, (session) => {
      const [point] = this.module.C_GetAttributeValue(session, pair.publicKey, [{ type: p11.CKA_EC_POINT }]);
      // An OCTET STRING around it (PKCS#11 3.0, 6.3.3), which some tokens leave out.
      return {
        secret: pair.privateKey,
        open: new Uint8Array(Buffer.from(point?.value as Buffer)).slice(-32),
      };
    });
  }

  /** An RSA pair for raw signatures, exponent 3, drawn in the token; its modulus. */
  makeRsaPair(label: string, bits: number, { keeps = true }: { readonly keeps?: boolean } = {}) {
    const p11 = this.p11;
    const common = [
      { type: p11.CKA_TOKEN, value: keeps },
      { type: p11.CKA_LABEL, value: label },
    ];
    const pair = this.#lasting(keeps, (lasting) =>
      this.call({ does: "make the pair of", key: label }, (session) =>
        this.module.C_GenerateKeyPair(
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
          [...common, ...lasting, ...this.#privateRsa()],
        ),
      ),
    );
    this.labelled(pair.privateKey, label);
    return this.call({ does: "read the public half of", key: label }, (session) => {
      const [modulus] = this.module.C_GetAttributeValue(session, pair.publicKey, [{ type: p11.CKA_MODULUS }]);
      return { secret: pair.privateKey, modulus: new Uint8Array(Buffer.from(modulus?.value as Buffer)) };
    });
  }

  /** A test key that everybody may know, as if it had been drawn here. */
  importRsa(label: string, key: RsaNumbers, { keeps = true }: { readonly keeps?: boolean } = {}): Handle {
    const p11 = this.p11;
    const number = (type: number, value: Uint8Array) => ({ type, value: Buffer.from(value) });
    const taken = this.#lasting(keeps, (lasting) =>
      this.call({ does: "take in", key: label }, (session) =>
        this.module.C_CreateObject(session, [
          { type: p11.CKA_CLASS, value: p11.CKO_PRIVATE_KEY },
          { type: p11.CKA_KEY_TYPE, value: p11.CKK_RSA },
          { type: p11.CKA_TOKEN, value: keeps },
          { type: p11.CKA_LABEL, value: label },
          ...lasting,
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
      ),
    );
    return this.labelled(taken, label);
  }

  /** All keys of this label. */
  find(label: string, kind: Findable): Handle[] {
    const p11 = this.p11;
    const classes = { secret: p11.CKO_SECRET_KEY, private: p11.CKO_PRIVATE_KEY, public: p11.CKO_PUBLIC_KEY };
    const found = this.call({ does: "look for", key: label }, (session) => {
      this.module.C_FindObjectsInit(session, [
        { type: p11.CKA_CLASS, value: classes[kind] },
        { type: p11.CKA_LABEL, value: label },
      ]);
      try {
        return this.module.C_FindObjects(session, 64);
      } finally {
        this.module.C_FindObjectsFinal(session);
      }
    });
    for (const one of found) this.labelled(one, label);
    return found;
  }

  /** CKA_ID of a key; empty where it has none. */
  markOf(key: Handle): Uint8Array {
    return this.call({ does: "tell the identifier of", key }, (session) => {
      const [id] = this.module.C_GetAttributeValue(session, key, [{ type: this.p11.CKA_ID }]);
      return new Uint8Array((id?.value as Buffer | undefined) ?? []);
    });
  }

  /**
   * Why a key must not be used as a master here; undefined when it is as it was made. Of an Ed25519 pair nothing is asked but whether it may
   * leave: it can do nothing but sign, whatever else a token says of it.
   */
  wrongAttributes(key: Handle, purpose: KeyKind | "pair"): string | undefined {
    const p11 = this.p11;
    return this.call({ does: "say what may be done with", key }, (session) => {
      const is = (type: number): boolean =>
        ((this.module.C_GetAttributeValue(session, key, [{ type }])[0]?.value as Buffer | undefined)?.[0] ??
          0) !== 0;
      if (!is(p11.CKA_SENSITIVE) || is(p11.CKA_EXTRACTABLE)) return "it may leave the token";
      if (purpose === "pair") return undefined;
      const allowed: readonly string[] = USES[purpose];
      // Of private keys tokens know a few of the uses only.
      const known = purpose === "signer" ? PRIVATE_USES : ALL_USES;
      const more = known.filter((use) => is(p11[`CKA_${use}`]) && !allowed.includes(use));
      return more.length === 0 ? undefined : `it may also ${more.join(", ").toLowerCase()}`;
    });
  }

  /** What the token says of a key's past and future; what it does not say is not so. */
  standing(key: Handle): KeyStanding {
    const p11 = this.p11;
    const says = (type: number, wanted: boolean): boolean => {
      try {
        return this.call({ does: "say what may be done with", key }, (session) => {
          const value = this.module.C_GetAttributeValue(session, key, [{ type }])[0]?.value as
            | Buffer
            | undefined;
          return value?.length === 1 && (value[0] !== 0) === wanted;
        });
      } catch (problem) {
        // Older tokens do not know each of them.
        if (problem instanceof VaultRefusal) return false;
        throw problem;
      }
    };
    return {
      born: [p11.CKA_LOCAL, p11.CKA_ALWAYS_SENSITIVE, p11.CKA_NEVER_EXTRACTABLE].every((type) =>
        says(type, true),
      ),
      fixed: [p11.CKA_MODIFIABLE, p11.CKA_COPYABLE].every((type) => says(type, false)),
    };
  }

  // --- inside

  /** Keys for good can be neither changed nor copied, where the token knows such attributes. */
  #lasting<T>(keeps: boolean, make: (lasting: Template) => T): T {
    if (!keeps) return make([]);
    const marked = this.#marking();
    try {
      return make([
        ...marked,
        { type: this.p11.CKA_MODIFIABLE, value: false },
        { type: this.p11.CKA_COPYABLE, value: false },
      ]);
    } catch (problem) {
      if (!(problem instanceof TokenRefusal) || !UNKNOWN_ATTRIBUTE.includes(problem.code)) throw problem;
      return make(marked);
    }
  }

  /** The mark and a number, for some tokens take no CKA_ID twice. */
  #marking(): Template {
    if (this.mark === undefined) return [];
    const id = Buffer.alloc(this.mark.length + 4);
    id.set(this.mark);
    id.writeUInt32BE(this.#marked++, this.mark.length);
    return [{ type: this.p11.CKA_ID, value: id }];
  }

  #privateRsa(): Template {
    const p11 = this.p11;
    return [
      { type: p11.CKA_PRIVATE, value: true },
      { type: p11.CKA_SENSITIVE, value: true },
      { type: p11.CKA_EXTRACTABLE, value: false },
      ...PRIVATE_USES.map((use) => ({ type: p11[`CKA_${use}`], value: use === "SIGN" })),
    ];
  }
}
