/** A PKCS#11 token and one logged-in session with it: how it is reached, and what its errors mean. Inside the module's process only. */
import type pkcs11js from "pkcs11js";
import { unmovedCopy } from "@persoline/card/bytes";
import { KeystoreProblem } from "../keystore.js";
import { VaultRefusal } from "../vault-refusal.js";
import { pickToken, shownAs, type ShownToken } from "./pick-token.js";
import { codeOf, wordsOf } from "./token-words.js";

/** Which token. */
export interface TokenPlace {
  /** Path of the PKCS#11 library. */
  readonly library: string;
  /** Label of the token. */
  readonly label: string;
  /** Picks one of several tokens of this label: as the token tells it, without the spaces behind. */
  readonly serial?: string;
  /** The same by the number of its slot. */
  readonly slot?: number;
}

/** Which token, and what opens it. */
export interface TokenAccess extends TokenPlace {
  /** Serial of the token that the register's keys were made in: another one is shown no PIN unless it is picked by name. */
  readonly expected?: string | undefined;
  readonly pin: string;
}

export type Library = typeof pkcs11js;
export type Handle = pkcs11js.Handle;

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

const DOES_NOT_FIT = new Set([
  "CKR_GENERAL_ERROR",
  "CKR_FUNCTION_FAILED",
  "CKR_WRAPPED_KEY_INVALID",
  "CKR_WRAPPED_KEY_LEN_RANGE",
  "CKR_ENCRYPTED_DATA_INVALID",
]);

/** A token refuses; `code` as PKCS#11 names it. */
export class TokenRefusal extends VaultRefusal {
  constructor(
    message: string,
    readonly code: string | undefined,
  ) {
    super(message);
  }
}

/** What the token is to do, with or to which key: an object of it, or a label. Its objects are known by their labels once they were found. */
export interface Doing {
  /** As it goes on after "cannot": "encrypt with". */
  readonly does: string;
  readonly key?: Handle | string;
}

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

/** A library with a token's access, not connected yet. */
export interface Loaded {
  readonly p11: Library;
  readonly module: pkcs11js.PKCS11;
  readonly access: TokenAccess;
}

/** Throws KeystoreProblem: it is no library for tokens. */
export async function loaded(access: TokenAccess): Promise<Loaded> {
  const p11 = await driver();
  const module = new p11.PKCS11();
  try {
    module.load(access.library);
  } catch (error) {
    throw new KeystoreProblem(
      "missing",
      `${access.library}: this is no PKCS#11 library that can be loaded here${codeOf(error) === undefined ? "" : `: ${wordsOf(error)}`}; name the file that the token's maker brings (…/libsofthsm2.so)`,
    );
  }
  return { p11, module, access };
}

export class TokenSession {
  protected readonly p11: Library;
  protected readonly module: pkcs11js.PKCS11;
  readonly #access: TokenAccess;
  #serial = "";
  /** Labels of objects that were found or made over this connection. */
  readonly #labels = new Map<string, string>();
  #session: Handle | undefined;
  #slot: Handle | undefined;
  /** A PIN that was refused once is never shown again: each showing costs a try. */
  #refused = false;
  /** Grows with every connection; a handle is good for one of them. */
  generation = 0;

  constructor({ p11, module, access }: Loaded) {
    this.p11 = p11;
    this.module = module;
    this.#access = access;
  }

  /** Opens a new session, also after the token was lost; all handles from before are void. Throws KeystoreProblem. */
  connect(): void {
    const { label, pin } = this.#access;
    if (this.#refused)
      throw new KeystoreProblem("wrong-passphrase", `token ${label}: its PIN was refused before`);
    this.disconnect();
    this.generation++;
    this.#labels.clear();
    try {
      this.#tolerating("CKR_CRYPTOKI_ALREADY_INITIALIZED", () => this.module.C_Initialize());
      const { slot, serial } = pickToken(this.#shown(), this.#access);
      this.#serial = serial;
      this.#judgeTries(slot);
      const session = this.module.C_OpenSession(slot, this.p11.CKF_SERIAL_SESSION | this.p11.CKF_RW_SESSION);
      this.#tolerating("CKR_USER_ALREADY_LOGGED_IN", () =>
        this.module.C_Login(session, this.p11.CKU_USER, pin),
      );
      this.#session = session;
    } catch (error) {
      if (error instanceof KeystoreProblem) throw error;
      const words = wordsOf(error);
      if (codeOf(error)?.includes("PIN") === true) {
        this.#refused = true;
        const left = this.#isLastTry()
          ? ". Its next wrong PIN is its last: it is shown none here until its own tools have opened it"
          : "";
        throw new KeystoreProblem(
          "wrong-passphrase",
          `token ${label} (serial ${shownAs(this.#serial)}): the PIN was refused: ${words}; it is not tried again by itself, for each try counts${left}`,
        );
      }
      throw new KeystoreProblem("missing", `token ${label} cannot be opened: ${words}`);
    }
  }

  /** The last try is not spent here: a wrong PIN, of which nobody knows before, would lock the token for good. Throws KeystoreProblem. */
  #judgeTries(slot: Handle): void {
    const where = `token ${this.name} (serial ${shownAs(this.#serial)})`;
    const { flags } = this.module.C_GetTokenInfo(slot);
    this.#slot = slot;
    if ((flags & this.p11.CKF_USER_PIN_LOCKED) !== 0)
      throw new KeystoreProblem(
        "locked",
        `${where}: its PIN is locked after too many wrong ones: its security officer sets a new one (SO PIN); nothing was tried`,
      );
    if ((flags & this.p11.CKF_USER_PIN_FINAL_TRY) !== 0)
      throw new KeystoreProblem(
        "locked",
        `${where}: only one try of its PIN is left, and it is not spent here: make sure of the PIN, log in once with the token's own tools (pkcs11-tool --login --test), which gives all tries back, then run the same command again`,
      );
  }

  /** After a wrong PIN; a token that is gone by now says nothing. */
  #isLastTry(): boolean {
    if (this.#slot === undefined) return false;
    try {
      return (this.module.C_GetTokenInfo(this.#slot).flags & this.p11.CKF_USER_PIN_FINAL_TRY) !== 0;
    } catch {
      return false;
    }
  }

  /** All tokens that the library shows. One that does not say what it is hides no other. */
  #shown(): ShownToken[] {
    return this.module.C_GetSlotList(true).flatMap((slot) => {
      try {
        const { label, serialNumber } = this.module.C_GetTokenInfo(slot);
        return [{ slot, label: label.trimEnd(), serial: serialNumber.trimEnd() }];
      } catch {
        return [];
      }
    });
  }

  /** Ends the library's state; a token that is gone already does not matter. */
  disconnect(): void {
    this.#session = undefined;
    try {
      this.module.C_Finalize();
    } catch {
      // It was not initialised, or is gone.
    }
  }

  /** What the token says of itself, for records. */
  get name(): string {
    return this.#access.label;
  }

  /** Its maker's number, as the present connection found it. */
  get serial(): string {
    return this.#serial;
  }

  // --- for what computes with it and makes keys in it

  /** From now on an object is told by its label. */
  protected labelled(object: Handle, label: string): Handle {
    this.#labels.set(object.toString("hex"), label);
    return object;
  }

  /** Its handle may be another object's next. */
  protected forgotten(object: Handle): void {
    this.#labels.delete(object.toString("hex"));
  }

  /** Runs a call of the library; throws TokenLost, or TokenRefusal when the token refuses. */
  protected call<T>(doing: Doing, work: (session: Handle) => T): T {
    const session = this.#session;
    if (session === undefined)
      throw new TokenLost(`token ${this.name} is not connected: it cannot ${this.#told(doing)}`);
    try {
      return work(session);
    } catch (error) {
      if (error instanceof VaultRefusal || error instanceof TokenLost) throw error;
      const code = codeOf(error);
      const said = `it cannot ${this.#told(doing)}: ${wordsOf(error)}`;
      if (code !== undefined && LOST.has(code)) throw new TokenLost(`token ${this.name} was lost, ${said}`);
      throw new TokenRefusal(`token ${this.name} refuses, ${said}`, code);
    }
  }

  #told({ does, key }: Doing): string {
    if (key === undefined) return does;
    const label = typeof key === "string" ? key : this.#labels.get(key.toString("hex"));
    return `${does} ${label === undefined ? "a key of this session" : `key ${label}`}`;
  }

  /** A plain array of its own; what the library's binding gave back is wiped. */
  protected bytes(doing: Doing, work: (session: Handle) => Buffer): Uint8Array {
    const given = this.call(doing, work);
    const own = unmovedCopy(given);
    given.fill(0);
    return own;
  }

  /** SoftHSM answers like a lost token when a value does not fit; a session that is alive tells the two apart. */
  protected alive<T>(session: Handle, doing: Doing, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || !DOES_NOT_FIT.has(code)) throw error;
      this.module.C_GetSessionInfo(session);
      throw new TokenRefusal(
        `token ${this.name} refuses, it cannot ${this.#told(doing)}: what it was given does not fit, or was made for another key (${code})`,
        code,
      );
    }
  }

  #tolerating(code: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (codeOf(error) !== code) throw error;
    }
  }
}
