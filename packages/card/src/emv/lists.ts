import { CardProblem } from "../bytes/index.js";

/** Bits of the first byte of the application interchange profile (82; EMV Book 3, annex C1). */
export const AIP = {
  sda: 0x40,
  dda: 0x20,
  cardholderVerification: 0x10,
  terminalRiskManagement: 0x08,
  issuerAuthentication: 0x04,
  cda: 0x01,
} as const;

/** One entry of the application file locator (94; EMV Book 3, 10.2). */
export interface AflEntry {
  /** 1 to 30. */
  readonly sfi: number;
  readonly first: number;
  readonly last: number;
  /** So many records from `first` on are static data to authenticate. */
  readonly authenticated: number;
}

/** Throws CardProblem `emv-answer`. */
export function parseAfl(bytes: Uint8Array): AflEntry[] {
  if (bytes.length === 0 || bytes.length % 4 !== 0)
    throw new CardProblem("emv-answer", "AFL", `${bytes.length} bytes are not entries of four`);
  return Array.from({ length: bytes.length / 4 }, (_, at) => {
    const [locator = 0, first = 0, last = 0, authenticated = 0] = bytes.subarray(4 * at);
    const sfi = locator >> 3;
    const right =
      sfi >= 1 &&
      sfi <= 30 &&
      (locator & 7) === 0 &&
      first >= 1 &&
      last >= first &&
      authenticated <= last - first + 1;
    if (!right) throw new CardProblem("emv-answer", `AFL, entry ${at + 1}`, "file or records are impossible");
    return { sfi, first, last, authenticated };
  });
}

export function encodeAfl(entries: readonly AflEntry[]): Uint8Array {
  const bytes = Uint8Array.from(
    entries.flatMap(({ sfi, first, last, authenticated }) => [sfi << 3, first, last, authenticated]),
  );
  parseAfl(bytes);
  return bytes;
}

/** Cardholder verification methods (EMV Book 3, annex C3). */
export const CVM = {
  fail: 0x00,
  plainPin: 0x01,
  onlinePin: 0x02,
  plainPinAndSignature: 0x03,
  encipheredPin: 0x04,
  encipheredPinAndSignature: 0x05,
  signature: 0x1e,
  none: 0x1f,
} as const;
export type CvmMethod = keyof typeof CVM;

export const CVM_CONDITION = {
  always: 0x00,
  unattendedCash: 0x01,
  notCash: 0x02,
  ifSupported: 0x03,
  manualCash: 0x04,
  cashback: 0x05,
  underX: 0x06,
  overX: 0x07,
  underY: 0x08,
  overY: 0x09,
} as const;

const OR_NEXT = 0x40;

export interface CvmRule {
  readonly method: CvmMethod;
  /** When it fails, the next rule is tried. */
  readonly orNext: boolean;
  readonly when: keyof typeof CVM_CONDITION;
}

/** Cardholder verification method list (8E): amounts in units of the application currency. */
export interface CvmList {
  readonly x: number;
  readonly y: number;
  readonly rules: readonly CvmRule[];
}

const keyOf = <T extends string>(table: Readonly<Record<T, number>>, value: number): T | undefined =>
  (Object.keys(table) as T[]).find((name) => table[name] === value);

/** A rule as it stands in the list, whether anybody knows its codes or not. */
export interface RawCvmRule {
  /** Method in bits 6 to 1; bit 7: when it fails, the next rule is tried. */
  readonly code: number;
  readonly condition: number;
}

/** Two amounts, then rules, perhaps none. Throws CardProblem `emv-answer`. */
export function parseCvmRules(bytes: Uint8Array): {
  readonly x: number;
  readonly y: number;
  readonly rules: readonly RawCvmRule[];
} {
  if (bytes.length < 8 || bytes.length % 2 !== 0)
    throw new CardProblem("emv-answer", "CVM list", `${bytes.length} bytes are not two amounts and rules`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const rules = Array.from({ length: (bytes.length - 8) / 2 }, (_, at) => ({
    code: view.getUint8(8 + 2 * at),
    condition: view.getUint8(9 + 2 * at),
  }));
  return { x: view.getUint32(0), y: view.getUint32(4), rules };
}

/** Undefined: not one of annex C3 (bit 8 is reserved). */
export const cvmMethodOf = (code: number): CvmMethod | undefined =>
  (code & 0x80) !== 0 ? undefined : keyOf<CvmMethod>(CVM, code & 0x3f);
export const cvmConditionOf = (condition: number): CvmRule["when"] | undefined =>
  keyOf<CvmRule["when"]>(CVM_CONDITION, condition);

/** Rules that this package does not know are refused with CardProblem `emv-answer`, and so is a list without any. */
export function parseCvmList(bytes: Uint8Array): CvmList {
  const { x, y, rules } = parseCvmRules(bytes);
  if (rules.length === 0) throw new CardProblem("emv-answer", "CVM list", "it has no rule");
  return {
    x,
    y,
    rules: rules.map(({ code, condition }, at): CvmRule => {
      const [method, when] = [cvmMethodOf(code), cvmConditionOf(condition)];
      if (method === undefined || when === undefined)
        throw new CardProblem("emv-answer", `CVM list, rule ${at + 1}`, "method or condition is unknown");
      return { method, orNext: (code & OR_NEXT) !== 0, when };
    }),
  };
}

export function encodeCvmList({ x, y, rules }: CvmList): Uint8Array {
  const bytes = new Uint8Array(8 + 2 * rules.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, x);
  view.setUint32(4, y);
  rules.forEach(({ method, orNext, when }, at) => {
    bytes[8 + 2 * at] = CVM[method] | (orNext ? OR_NEXT : 0);
    bytes[9 + 2 * at] = CVM_CONDITION[when];
  });
  return bytes;
}
