/** What card sessions of every kind share inside the vault. */
import type { Command, Response } from "@persoline/card/apdu";
import { concat, equalConstantTime, hex } from "@persoline/card/bytes";
import { type BlockCipher, cmac, type KeptKey } from "@persoline/card/crypto";
import { sessionsLeft } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import type { Keyring } from "./keyring.js";
import type {
  KeyRef,
  Part,
  Ready,
  SealedSecrets,
  SecureStep,
  Serial,
  UnwrappedAnswer,
} from "@persoline/card/program";

export type Authenticated =
  | Ready
  | {
      readonly ok: false;
      readonly code: "card-cryptogram" | "protocol-error" | "chip-number" | "keys-used-up";
      readonly detail: string;
    };
export type Unwrapped =
  | { readonly ok: true; readonly answers: readonly UnwrappedAnswer[] }
  | {
      readonly ok: false;
      readonly code: "response-mac";
      readonly at: number;
      readonly answers: readonly UnwrappedAnswer[];
    };

/** What the vault waits for in the answer to one step: a proof, or the check values of keys it put in. */
export type Awaited = { readonly equals: Uint8Array } | undefined;

/** One card's session: `authenticate` once (again for each `more`; the vault sees to it), `unwrap` once, `close` always. */
export interface CardSession {
  readonly open: Command;
  authenticate(
    answer: Response,
    steps: readonly SecureStep[],
    secrets: SealedSecrets | undefined,
  ): Authenticated;
  unwrap(answers: readonly Response[]): Unwrapped;
  close(): void;
}

export const damaged = (detail: string): Authenticated => ({ ok: false, code: "protocol-error", detail });
export const otherChip = (answered: Uint8Array, serial: Serial): Authenticated => ({
  ok: false,
  code: "chip-number",
  detail: `the card says it is chip ${hex(answered)}, expected was ${serial}`,
});
/** Fewer sessions than these are not begun with: a card's way through the line takes a handful, and its owner wants some too. */
const FEWEST_SESSIONS = 256;
/** The key set has too few sessions in it; undefined: it has enough, or does not say. */
export function usedUp(counter: Uint8Array | undefined): Authenticated | undefined {
  const left = counter === undefined ? FEWEST_SESSIONS : sessionsLeft(counter);
  if (left >= FEWEST_SESSIONS) return undefined;
  return {
    ok: false,
    code: "keys-used-up",
    detail: `INITIALIZE UPDATE: the sequence counter of the card's keys leaves ${left} sessions, fewer than ${FEWEST_SESSIONS}; the card was left alone, no try is lost`,
  };
}
export const WRONG_CRYPTOGRAM: Authenticated = {
  ok: false,
  code: "card-cryptogram",
  detail:
    "the card's cryptogram is wrong: not the keys this card should have; it was left alone, no try is lost",
};

/** Fills in a step's parts and remembers what its answer has to be. */
export function filled(
  step: SecureStep,
  fill: (part: Exclude<Part, Uint8Array>) => { bytes: Uint8Array; awaited?: Awaited },
) {
  let awaited: Awaited;
  const parts = step.data.map((part) => {
    if (part instanceof Uint8Array) return part;
    const done = fill(part);
    awaited ??= done.awaited;
    return done.bytes;
  });
  return { data: concat(...parts), awaited };
}

export const verdicts = (answers: readonly Response[], awaited: readonly Awaited[]): UnwrappedAnswer[] =>
  answers.map((answer, at) => {
    const expected = awaited[at];
    if (expected === undefined) return answer;
    return { ...answer, verdict: equalConstantTime(answer.data, expected.equals) ? "right" : "wrong" };
  });

/** A cipher that alone holds its key. */
export function once(key: Uint8Array): BlockCipher {
  const cipher = nodeCrypto.aes(key);
  key.fill(0);
  return cipher;
}

/** CMAC under a card's own key, which is then forgotten: in the token where it stays there. */
export function proofOf(
  ring: Keyring,
  key: {
    readonly keys: KeyRef;
    readonly kid: number;
    readonly serial: Serial;
    readonly purpose?: Parameters<Keyring["applicationKey"]>[3];
  },
  ...messages: readonly Uint8Array[]
): Uint8Array[] {
  const cipher: BlockCipher | KeptKey =
    ring.kept?.applicationKey(key, "mac") ??
    once(ring.applicationKey(key.keys, key.kid, key.serial, key.purpose));
  try {
    return messages.map((message) => cmac(cipher, message));
  } finally {
    cipher.wipe();
  }
}
