import type { Brand } from "../bytes/index.js";
import { CardProblem } from "../bytes/index.js";

/** SW1SW2 as one number, 6100..6FFF or 9000..9FFF. */
export type StatusWord = Brand<number, "StatusWord">;

/** Throws CardProblem `bad-response` for what is no status word: 60XX, and everything but 6XXX and 9XXX. */
export function statusWord(n: number): StatusWord {
  const high = n >> 8;
  if (!Number.isInteger(n) || !((high > 0x60 && high <= 0x6f) || (high >= 0x90 && high <= 0x9f))) {
    throw new CardProblem("bad-response", "status word", `${hexWord(n)} is not a status word`);
  }
  return n as StatusWord;
}

/** Status words by name (ISO/IEC 7816-4, 5.1.3; the last group GPCS 11). */
export const SW = {
  ok: statusWord(0x9000),

  warning: statusWord(0x6200),
  dataCorrupted: statusWord(0x6281),
  endOfFile: statusWord(0x6282),
  fileDeactivated: statusWord(0x6283),
  fciBadlyFormatted: statusWord(0x6284),
  fileTerminated: statusWord(0x6285),
  noSensorInput: statusWord(0x6286),
  warningChanged: statusWord(0x6300),
  fileFilledUp: statusWord(0x6381),
  noTriesLeft: statusWord(0x63c0),

  executionError: statusWord(0x6400),
  immediateResponseRequired: statusWord(0x6401),
  executionErrorChanged: statusWord(0x6500),
  memoryFailure: statusWord(0x6581),
  securityIssue: statusWord(0x6600),

  wrongLength: statusWord(0x6700),
  claFunctionNotSupported: statusWord(0x6800),
  channelNotSupported: statusWord(0x6881),
  secureMessagingNotSupported: statusWord(0x6882),
  lastOfChainExpected: statusWord(0x6883),
  chainingNotSupported: statusWord(0x6884),
  commandNotAllowed: statusWord(0x6900),
  incompatibleFileStructure: statusWord(0x6981),
  securityNotSatisfied: statusWord(0x6982),
  authenticationBlocked: statusWord(0x6983),
  referenceDataNotUsable: statusWord(0x6984),
  conditionsNotSatisfied: statusWord(0x6985),
  noCurrentEf: statusWord(0x6986),
  smObjectsMissing: statusWord(0x6987),
  smObjectsIncorrect: statusWord(0x6988),
  wrongData: statusWord(0x6a80),
  functionNotSupported: statusWord(0x6a81),
  fileNotFound: statusWord(0x6a82),
  recordNotFound: statusWord(0x6a83),
  notEnoughMemory: statusWord(0x6a84),
  ncInconsistentWithTlv: statusWord(0x6a85),
  wrongP1P2: statusWord(0x6a86),
  ncInconsistentWithP1P2: statusWord(0x6a87),
  referencedDataNotFound: statusWord(0x6a88),
  fileExists: statusWord(0x6a89),
  dfNameExists: statusWord(0x6a8a),
  wrongOffset: statusWord(0x6b00),
  insNotSupported: statusWord(0x6d00),
  claNotSupported: statusWord(0x6e00),
  noDiagnosis: statusWord(0x6f00),

  moreRegistryEntries: statusWord(0x6310),
  algorithmNotSupported: statusWord(0x9484),
  invalidKeyCheckValue: statusWord(0x9485),
} as const;

const WORDS: Readonly<Record<keyof typeof SW, string>> = {
  ok: "done",
  warning: "warning, memory unchanged",
  dataCorrupted: "part of the returned data may be corrupted",
  endOfFile: "end of file or EF record reached before Ne bytes, or nothing found",
  fileDeactivated: "the selected file is deactivated",
  fciBadlyFormatted: "the file control information is badly formatted",
  fileTerminated: "the selected file is in termination state",
  noSensorInput: "no input from a sensor",
  warningChanged: "warning, memory may have changed (authentication: refused)",
  fileFilledUp: "the file is filled up by the last write",
  noTriesLeft: "refused, no tries left",
  executionError: "execution error, memory unchanged",
  immediateResponseRequired: "an immediate response is required",
  executionErrorChanged: "execution error, memory may have changed",
  memoryFailure: "memory failure",
  securityIssue: "security-related issue",
  wrongLength: "wrong length",
  claFunctionNotSupported: "a function of the class byte is not supported",
  channelNotSupported: "logical channel not supported",
  secureMessagingNotSupported: "secure messaging not supported",
  lastOfChainExpected: "the last command of the chain was expected",
  chainingNotSupported: "command chaining not supported",
  commandNotAllowed: "command not allowed",
  incompatibleFileStructure: "command incompatible with the file structure",
  securityNotSatisfied: "security status not satisfied",
  authenticationBlocked: "authentication method blocked",
  referenceDataNotUsable: "reference data not usable",
  conditionsNotSatisfied: "conditions of use not satisfied",
  noCurrentEf: "no EF is selected",
  smObjectsMissing: "expected secure messaging objects are missing",
  smObjectsIncorrect: "secure messaging objects are incorrect",
  wrongData: "wrong data field",
  functionNotSupported: "function not supported",
  fileNotFound: "file or application not found",
  recordNotFound: "EF record not found",
  notEnoughMemory: "not enough memory",
  ncInconsistentWithTlv: "the length contradicts the TLV structure",
  wrongP1P2: "wrong P1 P2",
  ncInconsistentWithP1P2: "the length contradicts P1 P2",
  referencedDataNotFound: "referenced data or key not found",
  fileExists: "the file identifier exists already",
  dfNameExists: "the DF name exists already",
  wrongOffset: "wrong P1 P2: the offset lies outside",
  insNotSupported: "instruction not supported",
  claNotSupported: "class not supported",
  noDiagnosis: "no precise diagnosis",
  moreRegistryEntries: "more registry entries are available",
  algorithmNotSupported: "algorithm not supported",
  invalidKeyCheckValue: "invalid key check value",
};

const BY_NUMBER = new Map<number, string>(
  Object.entries(SW).map(([name, sw]) => [sw, WORDS[name as keyof typeof SW]]),
);

/** Only what SW1 alone says, for second bytes that the table does not name. */
const BY_SW1 = new Map<number, string>([
  [0x62, "warning, memory unchanged"],
  [0x63, "warning, memory may have changed"],
  [0x64, "execution error, memory unchanged"],
  [0x65, "execution error, memory may have changed"],
  [0x66, "security-related issue"],
  [0x67, "wrong length"],
  [0x68, "a function of the class byte is not supported"],
  [0x69, "command not allowed"],
  [0x6a, "wrong parameters P1 P2"],
  [0x6b, "wrong P1 P2"],
  [0x6d, "instruction not supported"],
  [0x6e, "class not supported"],
  [0x6f, "no precise diagnosis"],
]);

/** X of 63CX, the tries that a PIN or key has left; undefined for every other status word. */
export function triesLeft(sw: StatusWord): number | undefined {
  return (sw & 0xfff0) === 0x63c0 ? sw & 0x0f : undefined;
}

/** "6A82 file or application not found". */
export function describeSw(sw: StatusWord): string {
  return `${hexWord(sw)} ${meaning(sw)}`;
}

function meaning(sw: StatusWord): string {
  const low = sw & 0xff;
  const known = BY_NUMBER.get(sw);
  if (known !== undefined) return known;
  const tries = triesLeft(sw);
  if (tries !== undefined) return `refused, ${tries} ${tries === 1 ? "try" : "tries"} left`;
  if (sw >> 8 === 0x61) return `done, ${low === 0 ? "256 or more" : low} bytes wait for GET RESPONSE`;
  if (sw >> 8 === 0x6c) return `wrong Le, ${low === 0 ? 256 : low} bytes are there`;
  return BY_SW1.get(sw >> 8) ?? "a meaning of this card's own";
}

/** A status word pattern: `(sw & mask) === value`. */
export interface ResponsePattern {
  readonly value: number;
  readonly mask: number;
}

/**
 * Patterns from text: hexadecimal digits, with x for any digit: `expectSw("9000", "61xx", "63Cx")`.
 * Throws CardProblem `bad-value`.
 */
export function expectSw(...patterns: readonly string[]): ResponsePattern[] {
  return patterns.map((text) => {
    if (!/^[0-9A-Fa-fXx]{4}$/.test(text)) {
      throw new CardProblem("bad-value", "status word pattern", `"${text}" is not four digits or x`);
    }
    return {
      value: Number.parseInt(text.replace(/x/gi, "0"), 16),
      mask: Number.parseInt(text.replace(/[^x]/gi, "F").replace(/x/gi, "0"), 16),
    };
  });
}

/** Whether one of the patterns fits; no pattern, no fit. */
export function swMatches(sw: StatusWord, patterns: readonly ResponsePattern[]): boolean {
  return patterns.some(({ value, mask }) => (sw & mask) === value);
}

function hexWord(n: number): string {
  return n.toString(16).toUpperCase().padStart(4, "0");
}
