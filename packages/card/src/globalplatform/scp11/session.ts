import type { Command, Response } from "../../apdu/index.js";
import { SW } from "../../apdu/index.js";
import { CardProblem, concat, equal, equalConstantTime, unsigned } from "../../bytes/index.js";
import { cmac, type Crypto, type KeyAgreement } from "../../crypto/index.js";
import { encodeTlv, parseTlv, tlv } from "../../tlv/index.js";
import { Scp03Messaging } from "../scp03/messaging.js";

/** a: both sides are authenticated; b: the card only; c: both, with the card's static key, so that scripts can be made off line. */
export type Scp11Variant = "a" | "b" | "c";

export interface Scp11Opening {
  readonly crypto: Crypto;
  readonly agreement: KeyAgreement;
  readonly variant: Scp11Variant;
  /** The card's key pair: version, and identifier (11 a, 13 b, 15 c). */
  readonly kvn: number;
  readonly kid: number;
  /** The card's static public key, from a certificate that the caller has verified. */
  readonly cardKey: Uint8Array;
  /** The host's static private key, whose certificate the card got before: for a and c. */
  readonly hostKey?: Uint8Array;
  /** Bytes of the session keys. */
  readonly keyLength: 16 | 24 | 32;
  /** 34: MACs only; 3C: encryption both ways too. */
  readonly usage: 0x34 | 0x3c;
}

/** What an opening waits for: the command to send, and what the card's answer makes of it. */
export interface Scp11Begun {
  /** MUTUAL AUTHENTICATE, or INTERNAL AUTHENTICATE for b. */
  readonly command: Command;
  /**
   * The session, once the card has proved by its receipt that it has its private key; ends the ephemeral key whatever comes.
   * Throws CardProblem `scp11-answer`, `scp11-refused`, `scp11-receipt`, `bad-key`.
   */
  finish(response: Response): Scp11Session;
  /** Ends the ephemeral key without an answer; may be called again. */
  abandon(): void;
}

const PARAMETERS = { a: 0x01, b: 0x00, c: 0x03 } as const;
const AES = 0x88;
const PUBLIC_KEY = 0x5f49;
const RECEIPT = 0x86;

/** SCP11's secure messaging: that of SCP03 with S8 MACs, and a receipt as the first chaining value (Amendment F, 5). */
export class Scp11Session extends Scp03Messaging {
  /** Content may be managed: with b the card does not know who the host is, and refuses. */
  readonly authenticatesHost: boolean;

  constructor(start: ConstructorParameters<typeof Scp03Messaging>[0], authenticatesHost: boolean) {
    super(start);
    this.authenticatesHost = authenticatesHost;
  }
}

/** Draws the ephemeral key and makes the command. Throws CardProblem `bad-key` when a or c has no host key. */
export function beginScp11(opening: Scp11Opening): Scp11Begun {
  const { variant, kvn, kid, usage, keyLength, hostKey, agreement } = opening;
  if (variant !== "b" && hostKey === undefined)
    throw new CardProblem("bad-key", "SCP11", `variant ${variant} needs the host's static key`);
  const ephemeral = agreement.generate();
  const reference = tlv(
    0xa6,
    tlv(0x90, Uint8Array.of(0x11, PARAMETERS[variant])),
    tlv(0x95, Uint8Array.of(usage)),
    tlv(0x80, Uint8Array.of(AES)),
    tlv(0x81, Uint8Array.of(keyLength)),
  );
  const data = encodeTlv([reference, tlv(PUBLIC_KEY, ephemeral.publicKey)]);
  const ins = variant === "b" ? 0x88 : 0x82;
  return {
    command: { cla: 0x80, ins, p1: kvn, p2: kid, data, le: 256 },
    finish: (response) => {
      try {
        return agreed(opening, ephemeral.privateKey, data, response);
      } finally {
        ephemeral.privateKey.fill(0);
      }
    },
    abandon: () => {
      ephemeral.privateKey.fill(0);
    },
  };
}

function agreed(
  opening: Scp11Opening,
  ephemeral: Uint8Array,
  sent: Uint8Array,
  response: Response,
): Scp11Session {
  const { crypto, agreement, variant, cardKey, hostKey, usage, keyLength } = opening;
  const { cardPoint, receipt } = answerOf(response);
  if (variant === "c" && !equal(cardPoint, cardKey)) throw problem("the card answers another static key");
  const first = agreement.agree(ephemeral, cardPoint);
  const second = agreement.agree(variant === "b" ? ephemeral : (hostKey ?? ephemeral), cardKey);
  const shared = concat(first, second);
  for (const secret of [first, second]) secret.fill(0);
  const keys = x963(crypto, shared, Uint8Array.of(usage, AES, keyLength), 5 * keyLength);
  shared.fill(0);
  try {
    const key = (at: number): Uint8Array => keys.subarray(at * keyLength, (at + 1) * keyLength);
    const cipher = crypto.aes(key(0));
    const expected = cmac(cipher, concat(sent, encodeTlv(tlv(PUBLIC_KEY, cardPoint))));
    cipher.wipe();
    if (!equalConstantTime(expected, receipt))
      throw new CardProblem("scp11-receipt", "SCP11", "the receipt does not match");
    return new Scp11Session(
      {
        crypto,
        sEnc: key(1),
        sMac: key(2),
        sRmac: key(3),
        dek: key(4),
        level: usage === 0x3c ? 0x33 : 0x11,
        macLength: 8,
        chaining: receipt,
        counts: "all",
        name: "SCP11",
      },
      variant !== "b",
    );
  } finally {
    keys.fill(0);
  }
}

/** The card's point and its receipt. A card of an old Amendment F without one is refused: nothing would prove its key. */
function answerOf({ data, sw }: Response): { readonly cardPoint: Uint8Array; readonly receipt: Uint8Array } {
  if (sw !== SW.ok) throw scp11Refused("the key agreement", sw);
  const [point, receipt, ...more] = parseTlv(data);
  const complete = point?.tag === PUBLIC_KEY && receipt?.tag === RECEIPT && more.length === 0;
  if (!complete || receipt.value.length !== 16) throw problem("it is not a public key and a receipt");
  return { cardPoint: point.value, receipt: receipt.value };
}

/** One attempt: whatever the card answers but 9000 ends the opening. */
export const scp11Refused = (what: string, sw: number): CardProblem =>
  new CardProblem(
    "scp11-refused",
    "SCP11",
    `the card answered ${what} by ${sw.toString(16).toUpperCase().padStart(4, "0")}`,
  );
const problem = (hint: string): CardProblem => new CardProblem("scp11-answer", "SCP11", hint);

/** ANSI X9.63 key derivation with SHA-256: SHA-256(Z ‖ counter (4, from 1) ‖ shared information), block after block. */
function x963(crypto: Crypto, shared: Uint8Array, information: Uint8Array, length: number): Uint8Array {
  const derived = new Uint8Array(length);
  for (let at = 0, counter = 1; at < length; counter++) {
    const input = concat(shared, unsigned(counter, 4), information);
    const block = crypto.sha256(input);
    input.fill(0);
    derived.set(block.subarray(0, length - at), at);
    at += block.length;
    block.fill(0);
  }
  return derived;
}
