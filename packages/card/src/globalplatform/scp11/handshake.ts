import { type Command, type Response, SW } from "../../apdu/index.js";
import { CardProblem } from "../../bytes/index.js";
import {
  type Certificate,
  parseCertificates,
  type TrustedAuthority,
  verifyCertificates,
} from "./certificate.js";
import { getCertificates, sendCertificates } from "./certificates.js";
import {
  beginScp11,
  type Scp11Begun,
  type Scp11Opening,
  scp11Refused,
  type Scp11Session,
} from "./session.js";

/** What the host proves itself by, for a and c. */
export interface Scp11Host {
  /** Copied; the caller wipes its own. */
  readonly privateKey: Uint8Array;
  /** 7F21 each, from the one that the card's authority signed to the one of `privateKey`. */
  readonly certificates: readonly Uint8Array[];
  /** The card's key of that authority (CA-KLOC): identifier 10, and its version. */
  readonly authority: { readonly id: number; readonly kvn: number };
}

export interface Scp11Plan extends Omit<Scp11Opening, "cardKey" | "hostKey" | "agreement"> {
  /** Who signs the cards' certificates (CA-KLCC). */
  readonly trusted: TrustedAuthority;
  /** YYYYMMDD. */
  readonly today: string;
  /** Judges whose certificate it is; throws when it is another card's. */
  readonly isMeant?: (leaf: Certificate) => void;
  readonly host?: Scp11Host;
}

/**
 * The whole opening of an SCP11 session, one command after the other: the card's certificates are asked for and judged first, then the
 * host's are sent, then keys are agreed upon and the receipt is judged. Nothing is tried twice; after any throw it is closed.
 */
export class Scp11Handshake {
  readonly first: Command;
  readonly #plan: Scp11Plan;
  readonly #hostKey: Uint8Array | undefined;
  #state: "certificate" | "host" | "agreement" | "closed" = "certificate";
  #toSend: Command[] = [];
  #cardKey: Uint8Array | undefined;
  #begun: Scp11Begun | undefined;

  /** Throws CardProblem `bad-key` when a or c has no host. */
  constructor(plan: Scp11Plan) {
    const { variant, host, kid, kvn } = plan;
    if ((variant === "b") !== (host === undefined))
      throw new CardProblem(
        "bad-key",
        "SCP11",
        variant === "b"
          ? "variant b has no host key"
          : `variant ${variant} needs the host's key and certificate`,
      );
    this.#plan = plan;
    this.#hostKey = host?.privateKey.slice();
    this.first = getCertificates({ id: kid, kvn });
  }

  /**
   * What the card's answer leads to. Throws CardProblem `scp11-certificate`, `scp11-refused`, `scp11-answer`, `scp11-receipt`, `bad-key`,
   * `bad-tlv`, `session-closed`.
   */
  next(response: Response): { readonly send: Command } | { readonly session: Scp11Session } {
    try {
      switch (this.#state) {
        case "certificate":
          this.#cardKey = this.#judged(response);
          this.#toSend = this.#hostCertificates();
          this.#state = "host";
          return this.#following();
        case "host":
          if (response.sw !== SW.ok) throw scp11Refused("the host's certificate", response.sw);
          return this.#following();
        case "agreement":
          return this.#finished(response);
        default:
          throw new CardProblem("session-closed", "SCP11", "the opening is over");
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Wipes the host's key; may be called again. */
  close(): void {
    this.#state = "closed";
    this.#hostKey?.fill(0);
    this.#begun?.abandon();
    this.#begun = undefined;
  }

  #judged({ data, sw }: Response): Uint8Array {
    if (sw !== SW.ok) throw scp11Refused("the question for its certificates", sw);
    const { crypto, trusted, today, isMeant } = this.#plan;
    const leaf = verifyCertificates({
      curve: crypto.p256,
      certificates: parseCertificates(data),
      trusted,
      today,
    });
    isMeant?.(leaf);
    return leaf.publicKey;
  }

  #hostCertificates(): Command[] {
    const { host } = this.#plan;
    return host === undefined ? [] : sendCertificates(host.certificates, host.authority);
  }

  #following(): { readonly send: Command } {
    const next = this.#toSend.shift();
    if (next !== undefined) return { send: next };
    const { crypto, variant, kvn, kid, keyLength, usage } = this.#plan;
    const hostKey = this.#hostKey;
    this.#begun = beginScp11({
      crypto,
      agreement: crypto.p256,
      variant,
      kvn,
      kid,
      keyLength,
      usage,
      cardKey: this.#cardKey ?? new Uint8Array(0),
      ...(hostKey === undefined ? {} : { hostKey }),
    });
    this.#state = "agreement";
    return { send: this.#begun.command };
  }

  #finished(response: Response): { readonly session: Scp11Session } {
    const begun = this.#begun;
    if (begun === undefined) throw new CardProblem("session-closed", "SCP11", "the opening is over");
    const session = begun.finish(response);
    this.close();
    return { session };
  }
}
