/** A PKCS#11 token and one logged-in session with it: how it is reached, and what its errors mean. Inside the module's process only. */
import type pkcs11js from "pkcs11js";
import { unmovedCopy } from "@persoline/card/bytes";
import { KeystoreProblem } from "../keystore.js";
import { VaultRefusal } from "../vault-refusal.js";

/** Which token, and what opens it. */
export interface TokenAccess {
  /** Path of the PKCS#11 library. */
  readonly library: string;
  /** Label of the token. */
  readonly label: string;
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

/** The library's binding says some of them as `CKR_…:number`. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return "it failed";
  return /^CKR_\w+/.exec(error.message)?.[0] ?? ("code" in error ? error.message : "it failed");
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
      `${access.library}: this is no PKCS#11 library that can be loaded here (${reason(error)})`,
    );
  }
  return { p11, module, access };
}

export class TokenSession {
  protected readonly p11: Library;
  protected readonly module: pkcs11js.PKCS11;
  readonly #access: TokenAccess;
  #session: Handle | undefined;
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
    try {
      this.#tolerating("CKR_CRYPTOKI_ALREADY_INITIALIZED", () => this.module.C_Initialize());
      const slots = this.module
        .C_GetSlotList(true)
        .filter((slot) => this.module.C_GetTokenInfo(slot).label.trimEnd() === label);
      const [slot] = slots;
      if (slot === undefined || slots.length > 1) {
        throw new KeystoreProblem(
          "missing",
          slot === undefined
            ? `there is no token with the label ${label}: is it plugged in, and is the library the right one?`
            : `${slots.length} tokens have the label ${label}: one must be named otherwise`,
        );
      }
      const session = this.module.C_OpenSession(slot, this.p11.CKF_SERIAL_SESSION | this.p11.CKF_RW_SESSION);
      this.#tolerating("CKR_USER_ALREADY_LOGGED_IN", () =>
        this.module.C_Login(session, this.p11.CKU_USER, pin),
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
      this.module.C_Finalize();
    } catch {
      // It was not initialised, or is gone.
    }
  }

  /** What the token says of itself, for records. */
  get name(): string {
    return this.#access.label;
  }

  // --- for what computes with it and makes keys in it

  /** Runs a call of the library; throws TokenLost, or VaultRefusal when the token refuses. */
  protected call<T>(work: (session: Handle) => T): T {
    const session = this.#session;
    if (session === undefined) throw new TokenLost(`token ${this.name} is not connected`);
    try {
      return work(session);
    } catch (error) {
      if (error instanceof VaultRefusal || error instanceof TokenLost) throw error;
      const text = reason(error);
      const where = error instanceof Error && "method" in error ? ` in ${String(error.method)}` : "";
      if (LOST.has(text)) throw new TokenLost(`token ${this.name} was lost (${text}${where})`);
      throw new VaultRefusal(`token ${this.name} refuses: ${text}${where}`);
    }
  }

  /** A plain array of its own; what the library's binding gave back is wiped. */
  protected bytes(work: (session: Handle) => Buffer): Uint8Array {
    const given = this.call(work);
    const own = unmovedCopy(given);
    given.fill(0);
    return own;
  }

  /** SoftHSM answers like a lost token when a value does not fit; a session that is alive tells the two apart. */
  protected alive<T>(session: Handle, what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!DOES_NOT_FIT.has(reason(error))) throw error;
      this.module.C_GetSessionInfo(session);
      throw new VaultRefusal(`token ${this.name}: ${what} (${reason(error)})`);
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
