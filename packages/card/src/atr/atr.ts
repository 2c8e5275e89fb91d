import { hex } from "../bytes/index.js";
import { DI, FI, FMAX_MHZ } from "./tables.js";

/** What is wrong with an ATR: `error` makes it invalid (ISO/IEC 7816-3, 8), `warning` is worth a look. */
export interface AtrProblem {
  readonly code: AtrProblemCode;
  readonly severity: "error" | "warning";
  /** Offset of the byte it is about. */
  readonly at: number;
  readonly text: string;
}

export type AtrProblemCode =
  | "empty"
  | "ts"
  | "interface-bytes-missing"
  | "historical-bytes-missing"
  | "tck-missing"
  | "tck-wrong"
  | "bytes-left-over"
  | "too-long"
  | "ta1-reserved"
  | "ifsc"
  | "bwi"
  | "edc"
  | "wi"
  | "ta2-protocol"
  | "ta2-implicit"
  | "t15-first"
  | "protocol-order";

/** An answer to reset, read as far as it can be. Absent fields were not sent and have no default, or could not be read. */
export interface Atr {
  readonly bytes: Uint8Array;
  readonly convention: "direct" | "inverse" | "unknown";
  /** Interface bytes by name: TA1, TB1, TC1, TD1, TA2 and so on. */
  readonly interfaceBytes: Readonly<Record<string, number>>;
  /** Every T of TD1, TD2.. in order, 15 and repetitions included; [0] without TD1. */
  readonly protocols: readonly number[];
  /** TA1, 11 by default. */
  readonly ta1: number;
  /** Clock rate conversion integer; absent when reserved. */
  readonly fi?: number;
  /** Baud rate adjustment integer; absent when reserved. */
  readonly di?: number;
  readonly fmaxMHz?: number;
  /** Extra guard time integer N, 0..255. */
  readonly n: number;
  /** TA2: the card is in specific mode. */
  readonly specific?: {
    readonly protocol: number;
    readonly implicitParameters: boolean;
    readonly canChange: boolean;
  };
  /** Parameters of T=0, when it is offered. */
  readonly t0?: { readonly wi: number };
  /** Parameters of T=1, when it is offered. */
  readonly t1?: {
    readonly ifsc: number;
    readonly bwi: number;
    readonly cwi: number;
    readonly edc: "LRC" | "CRC";
  };
  /** Global bytes after T=15. `classes`: bit 1 A (5 V), bit 2 B (3 V), bit 4 C (1.8 V). */
  readonly t15?: {
    readonly ta?: number;
    readonly clockStop: "no" | "low" | "high" | "either";
    readonly classes: number;
    readonly tb?: number;
  };
  readonly historicalBytes: Uint8Array;
  readonly tck?: number;
  readonly tckRight?: boolean;
  readonly problems: readonly AtrProblem[];
}

type Letter = "A" | "B" | "C" | "D";
const PRESENCE: readonly (readonly [number, Letter])[] = [
  [0x10, "A"],
  [0x20, "B"],
  [0x40, "C"],
  [0x80, "D"],
];

/** An interface byte with the protocol that the TD before it names (undefined in the first set). */
interface InterfaceByte {
  readonly letter: Letter;
  readonly set: number;
  readonly protocol: number | undefined;
  readonly value: number;
  readonly at: number;
}

/**
 * Reads any bytes as an ATR (ISO/IEC 7816-3:2006, 8.2) and reports in `problems` what breaks the rules; never throws.
 * The arrays of the result are views of the input.
 */
export function parseAtr(bytes: Uint8Array): Atr {
  const problems: AtrProblem[] = [];
  const report = (code: AtrProblemCode, severity: "error" | "warning", at: number, text: string) => {
    problems.push({ code, severity, at, text });
  };

  const ts = bytes[0];
  const convention = ts === 0x3b ? "direct" : ts === 0x3f ? "inverse" : "unknown";
  if (ts === undefined) report("empty", "error", 0, "there are no bytes");
  else if (ts === 0x03)
    report("ts", "error", 0, "TS 03 is 3F read in direct convention: decode the card inverse");
  else if (convention === "unknown")
    report("ts", "error", 0, `TS ${hex(Uint8Array.of(ts))} is neither 3B nor 3F`);

  const { list, next, complete } = readInterfaceBytes(bytes);
  if (!complete) report("interface-bytes-missing", "error", bytes.length, "the interface bytes are cut off");
  const interfaceBytes = Object.fromEntries(list.map((b) => [`T${b.letter}${b.set}`, b.value]));
  const announced = list.filter((b) => b.letter === "D").map((b) => b.value & 0x0f);
  const protocols = announced.length === 0 ? [0] : announced;

  const k = (bytes[1] ?? 0) & 0x0f;
  const historicalBytes = bytes.subarray(next, next + k);
  if (complete && historicalBytes.length < k) {
    const text = `${k} historical bytes are announced, ${historicalBytes.length} are there`;
    report("historical-bytes-missing", "error", bytes.length, text);
  }
  const check = readCheck(
    bytes,
    next + k,
    protocols.some((t) => t !== 0),
  );
  if (complete && historicalBytes.length === k) {
    if (check.expected && check.tck === undefined) report("tck-missing", "error", next + k, "TCK is missing");
    if (check.right === false) report("tck-wrong", "error", next + k, "the XOR of T0 to TCK is not 00");
    const left = bytes.length - check.end;
    if (left > 0) report("bytes-left-over", "error", check.end, `${left} bytes follow after the end`);
  }
  if (bytes.length > 33)
    report("too-long", "error", 33, `${bytes.length - 1} characters follow TS, 32 are allowed`);

  checkOrder(protocols, list, report);
  const ta1 = interfaceBytes["TA1"] ?? 0x11;
  const fi = FI[ta1 >> 4];
  const di = DI[ta1 & 0x0f];
  const fmaxMHz = FMAX_MHZ[ta1 >> 4];
  const ta1At = list.find((b) => b.letter === "A" && b.set === 1)?.at ?? 0;
  if (fi === undefined || di === undefined) {
    report("ta1-reserved", "warning", ta1At, `TA1 ${hex(Uint8Array.of(ta1))} holds a reserved code`);
  }
  const specific = readSpecific(list, protocols, report);
  const t0 = protocols.includes(0) ? readT0(list, report) : undefined;
  const t1 = protocols.includes(1) ? readT1(list, report) : undefined;
  const t15 = protocols.includes(15) ? readT15(list) : undefined;
  return {
    bytes,
    convention,
    interfaceBytes,
    protocols,
    ta1,
    ...(fi === undefined ? {} : { fi }),
    ...(di === undefined ? {} : { di }),
    ...(fmaxMHz === undefined ? {} : { fmaxMHz }),
    n: interfaceBytes["TC1"] ?? 0,
    ...(specific === undefined ? {} : { specific }),
    ...(t0 === undefined ? {} : { t0 }),
    ...(t1 === undefined ? {} : { t1 }),
    ...(t15 === undefined ? {} : { t15 }),
    historicalBytes,
    ...(check.tck === undefined ? {} : { tck: check.tck }),
    ...(check.right === undefined ? {} : { tckRight: check.right }),
    problems,
  };
}

/** Whether nothing but warnings was found. */
export function atrIsValid(atr: Atr): boolean {
  return atr.problems.every(({ severity }) => severity === "warning");
}

function readInterfaceBytes(bytes: Uint8Array): { list: InterfaceByte[]; next: number; complete: boolean } {
  const list: InterfaceByte[] = [];
  let head = bytes[1];
  let at = 2;
  let protocol: number | undefined;
  for (let set = 1; head !== undefined; set++) {
    let following: number | undefined;
    for (const [bit, letter] of PRESENCE) {
      if ((head & bit) === 0) continue;
      const value = bytes[at];
      if (value === undefined) return { list, next: at, complete: false };
      list.push({ letter, set, protocol, value, at });
      if (letter === "D") following = value;
      at++;
    }
    if (following === undefined) return { list, next: at, complete: true };
    head = following;
    protocol = following & 0x0f;
  }
  return { list, next: Math.min(at, bytes.length), complete: false };
}

function readCheck(bytes: Uint8Array, at: number, expected: boolean) {
  const tck = expected ? bytes[at] : undefined;
  if (tck === undefined) return { expected, tck, right: undefined, end: at };
  const sum = bytes.subarray(1, at + 1).reduce((xored, byte) => xored ^ byte, 0);
  return { expected, tck, right: sum === 0, end: at + 1 };
}

type Report = (code: AtrProblemCode, severity: "error" | "warning", at: number, text: string) => void;

function checkOrder(protocols: readonly number[], list: readonly InterfaceByte[], report: Report): void {
  const tds = list.filter((b) => b.letter === "D");
  if (protocols[0] === 15) report("t15-first", "error", tds[0]?.at ?? 1, "TD1 may not announce T=15");
  protocols.forEach((t, i) => {
    if (i > 0 && t < (protocols[i - 1] ?? 0)) {
      report(
        "protocol-order",
        "warning",
        tds[i]?.at ?? 1,
        `T=${t} is announced after T=${protocols[i - 1] ?? 0}`,
      );
    }
  });
}

function readSpecific(
  list: readonly InterfaceByte[],
  protocols: readonly number[],
  report: Report,
): Atr["specific"] {
  const ta2 = list.find((b) => b.letter === "A" && b.set === 2);
  if (ta2 === undefined) return undefined;
  const protocol = ta2.value & 0x0f;
  if (!protocols.includes(protocol)) {
    report("ta2-protocol", "error", ta2.at, `TA2 requires T=${protocol}, which is not announced`);
  }
  const implicitParameters = (ta2.value & 0x10) !== 0;
  if (implicitParameters) {
    report(
      "ta2-implicit",
      "warning",
      ta2.at,
      "TA2 asks for implicit transmission parameters: the profile has to know them",
    );
  }
  return { protocol, implicitParameters, canChange: (ta2.value & 0x80) === 0 };
}

function readT0(list: readonly InterfaceByte[], report: Report): { wi: number } {
  const tc2 = list.find((b) => b.letter === "C" && b.set === 2);
  if (tc2?.value === 0) report("wi", "error", tc2.at, "WI 00 is reserved");
  return { wi: tc2?.value ?? 10 };
}

/** The first TA, TB or TC of a set i > 2 that belongs to a protocol; later ones for the same T do not count. */
function firstOf(
  list: readonly InterfaceByte[],
  protocol: number,
  letter: Letter,
): InterfaceByte | undefined {
  return list.find((b) => b.set > 2 && b.protocol === protocol && b.letter === letter);
}

function readT1(list: readonly InterfaceByte[], report: Report): NonNullable<Atr["t1"]> {
  const ta = firstOf(list, 1, "A");
  const tb = firstOf(list, 1, "B");
  const tc = firstOf(list, 1, "C");
  const ifsc = ta?.value ?? 32;
  if (ifsc === 0x00 || ifsc === 0xff) report("ifsc", "error", ta?.at ?? 0, `IFSC ${ifsc} is reserved`);
  const bwi = (tb?.value ?? 0x4d) >> 4;
  if (bwi > 9) report("bwi", "error", tb?.at ?? 0, `BWI ${bwi} is reserved`);
  if (((tc?.value ?? 0) & 0xfe) !== 0)
    report("edc", "error", tc?.at ?? 0, "reserved bits of TC for T=1 are set");
  return { ifsc, bwi, cwi: (tb?.value ?? 0x4d) & 0x0f, edc: ((tc?.value ?? 0) & 1) === 0 ? "LRC" : "CRC" };
}

const CLOCK_STOP = ["no", "low", "high", "either"] as const;

function readT15(list: readonly InterfaceByte[]): NonNullable<Atr["t15"]> {
  const ta = firstOf(list, 15, "A")?.value;
  const tb = firstOf(list, 15, "B")?.value;
  return {
    ...(ta === undefined ? {} : { ta }),
    // Without the byte: class A only, and the clock may not stop (8.3).
    clockStop: CLOCK_STOP[(ta ?? 0) >> 6] ?? "no",
    classes: ta === undefined ? 1 : ta & 0x3f,
    ...(tb === undefined ? {} : { tb }),
  };
}
