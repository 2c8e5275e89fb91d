import { type Command, describeSw, type Response, type StatusWord } from "../apdu/index.js";
import type { KeyForm, SecureChannelSpec } from "./channel-spec.js";
import type { ExpectedData, Part, RejectCode, Sent, Step, SwPattern } from "./types.js";

/** What a step's parts are wrapped for. */
export type Wrapping = "plain" | SecureChannelSpec["protocol"];

/** Bytes of one key in PUT KEY: type, length, key under the DEK, 03, check value; AES with its own length in front. */
const KEY_FIELDS: Readonly<Record<KeyForm, number>> = {
  "3des": 2 + 16 + 4,
  "aes-128": 3 + 16 + 4,
  "aes-192": 3 + 32 + 4,
  "aes-256": 3 + 32 + 4,
};

/** Length of a part as it stands in the plain data field (docs/card-os.md 2 and 4; GlobalPlatform 11.8). */
export function partLength(part: Part, channel: Wrapping): number {
  if (part instanceof Uint8Array) return part.length;
  switch (part.secret) {
    case "key":
      return 1 + KEY_FIELDS["aes-128"];
    case "key-set":
      return channel === "loader" ? 3 * (16 + 3) : 1 + 3 * KEY_FIELDS[part.form ?? "aes-128"];
    case "pin":
    case "challenge":
    case "wrapped-key":
      return 16;
    case "check-value":
      return 3;
    case "issuer-dgi":
      // Padding 80 00.. always adds at least one byte.
      return padded80(part.length, part.pad);
    case "payment":
      return padded80(part.part.length, part.pad);
    // Key and version; of another key than the session's the CRC-32 of the new one too.
    case "desfire-key":
      return part.old === undefined ? 16 + 1 : 16 + 1 + 4;
  }
}

const padded80 = (length: number, pad: 8 | 16 | undefined): number =>
  pad === undefined ? length : length + pad - (length % pad);

export function dataLength(step: Pick<Step, "data">, channel: Wrapping): number {
  return step.data.reduce((sum, part) => sum + partLength(part, channel), 0);
}

/** A step without named secrets as the command it is. Throws TypeError for one that only a secure session can fill in. */
export function plainCommand(step: Step): Command {
  const bytes: number[] = [];
  for (const part of step.data) {
    if (!(part instanceof Uint8Array)) {
      throw new TypeError(`"${step.why}" names a secret (${part.secret}) outside a secure session`);
    }
    bytes.push(...part);
  }
  return {
    cla: step.cla,
    ins: step.ins,
    p1: step.p1,
    p2: step.p2,
    ...(bytes.length > 0 ? { data: Uint8Array.from(bytes) } : {}),
    ...(step.le === undefined ? {} : { le: step.le }),
  };
}

export const plainSent = (step: Step): Sent => ({ command: plainCommand(step), sw: step.sw });

export const swMatches = (sw: number, patterns: readonly SwPattern[]): boolean =>
  patterns.some((pattern) => (sw & pattern.mask) === pattern.value);

export function dataMatches(data: Uint8Array, expected: ExpectedData): boolean {
  const { value, mask } = expected;
  return (
    data.length === value.length &&
    data.every((byte, at) => {
      const bits = mask === undefined ? 0xff : (mask[at] ?? 0xff);
      return (byte & bits) === ((value[at] ?? 0) & bits);
    })
  );
}

export const asExpected = (step: Step, answer: Response | undefined): boolean =>
  answer !== undefined &&
  swMatches(answer.sw, step.sw) &&
  (step.answer === undefined || dataMatches(answer.data, step.answer));

export interface Fault {
  readonly code: RejectCode;
  readonly detail: string;
}

/** INS and status word for people; never data, which may be personal or secret. */
export const named = (step: Pick<Step, "why" | "ins">): string =>
  `${step.why} (INS ${step.ins.toString(16).toUpperCase().padStart(2, "0")})`;

export const swText = (sw: number): string => sw.toString(16).toUpperCase().padStart(4, "0");

/** With what it means (ISO/IEC 7816-4, 5.6); 91XX is a native card's own. */
export const toldSw = (sw: StatusWord): string =>
  sw >> 8 === 0x91 ? swText(sw) : describeSw(sw).replace(" ", ", ");

/** ISO/IEC 7816-4, 5.6; DESFire's "EEPROM error". */
const memoryFailures: ReadonlySet<number> = new Set([0x6581, 0x91ee]);

/** The first answer that is not what its step expects, or undefined when all are. */
export function firstFault(
  steps: readonly Step[],
  answers: readonly (Response & { readonly verdict?: "right" | "wrong" })[],
): Fault | undefined {
  for (const [at, step] of steps.entries()) {
    const answer = answers[at];
    if (answer === undefined) {
      return { code: "protocol-error", detail: `${named(step)}: no answer was handed over` };
    }
    if (!swMatches(answer.sw, step.sw)) {
      const code = step.reject ?? (memoryFailures.has(answer.sw) ? "memory-failure" : "command-refused");
      return { code, detail: `${named(step)}: the card answered ${toldSw(answer.sw)}` };
    }
    if (step.answer !== undefined && !dataMatches(answer.data, step.answer)) {
      const lengths =
        answer.data.length === step.answer.value.length
          ? "other bytes,"
          : `${answer.data.length} bytes instead of ${step.answer.value.length},`;
      return {
        code: step.reject ?? "wrong-answer",
        detail: `${named(step)}: the card answered ${lengths} not as expected`,
      };
    }
    if (step.draws !== undefined && answer.verdict !== "right") {
      const detail = `${named(step)}: what the card answered is no PIN of ${step.draws.length} digits`;
      return { code: step.reject ?? "wrong-answer", detail };
    }
    // Where there is nothing to prove, a verdict is on the check values of a key that was put in.
    if (answer.verdict === "wrong" && step.judge === undefined) {
      return { code: "wrong-answer", detail: `${named(step)}: the card answered other check values` };
    }
    // The security module also judges what no step can expect, as the check values of keys it put in.
    if (answer.verdict === "wrong" || (step.judge !== undefined && answer.verdict === undefined)) {
      const what = step.judge === undefined ? "what the security module knows it must be" : "right";
      return {
        code: step.reject ?? (step.judge === undefined ? "wrong-answer" : "proof-wrong"),
        detail: `${named(step)}: the card's answer is not ${what}`,
      };
    }
  }
  return undefined;
}
