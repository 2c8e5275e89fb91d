import { CardProblem, concat, u16, unsigned } from "../bytes/index.js";

export type FileStructure =
  | "none"
  | "transparent"
  | "linear-fixed"
  | "linear-fixed-tlv"
  | "linear-variable"
  | "linear-variable-tlv"
  | "cyclic"
  | "cyclic-tlv"
  | "ber-tlv"
  | "simple-tlv"
  | "DF";

/** File descriptor, object 82 (ISO/IEC 7816-4:2005, 5.3.3). `kind` 2 to 6: proprietary types of EF. */
export interface FileDescriptor {
  readonly kind: "DF" | "working" | "internal" | 2 | 3 | 4 | 5 | 6;
  readonly structure: FileStructure;
  readonly shareable: boolean;
  /** Data coding byte; mandatory when a record size follows. */
  readonly dataCoding?: number;
  /** Largest EF record in bytes, and their number. */
  readonly recordSize?: number;
  readonly recordCount?: number;
}

const STRUCTURES: readonly FileStructure[] = [
  "none",
  "transparent",
  "linear-fixed",
  "linear-fixed-tlv",
  "linear-variable",
  "linear-variable-tlv",
  "cyclic",
  "cyclic-tlv",
];
const KINDS = ["working", "internal", 2, 3, 4, 5, 6] as const;
/** b6..b1 of the codes beside the scheme: DF and the two kinds of EF with data objects. */
const SPECIAL = [
  [0x38, "DF"],
  [0x39, "ber-tlv"],
  [0x3a, "simple-tlv"],
] as const;

/** The file descriptor byte alone, e.g. 41 for a shareable transparent working EF. Throws CardProblem `bad-fcp`. */
export function fileDescriptorByte(of: Pick<FileDescriptor, "kind" | "structure" | "shareable">): number {
  const { kind, structure, shareable } = of;
  const share = shareable ? 0x40 : 0x00;
  const special = SPECIAL.find(([, name]) => name === structure);
  if (special !== undefined) {
    if (kind !== (structure === "DF" ? "DF" : "working"))
      throw contradiction(`structure ${structure} of kind ${kind}`);
    return share | special[0];
  }
  const type = KINDS.findIndex((name) => name === kind);
  if (type < 0) throw contradiction(`structure ${structure} of kind ${kind}`);
  return share | (type << 3) | STRUCTURES.indexOf(structure);
}

/** Value of object 82, 1 to 6 bytes. Throws CardProblem `bad-fcp`. */
export function decodeFileDescriptor(value: Uint8Array): FileDescriptor {
  const [fdb, dataCoding] = value;
  if (fdb === undefined || value.length > 6)
    throw contradiction(`a file descriptor of ${value.length} bytes`);
  if ((fdb & 0x80) !== 0) throw contradiction("a file descriptor byte with b8 set");
  const shareable = (fdb & 0x40) !== 0;
  const sizes = {
    ...(dataCoding === undefined ? {} : { dataCoding }),
    ...(value.length > 2 ? { recordSize: number(value.subarray(2, Math.min(4, value.length))) } : {}),
    ...(value.length > 4 ? { recordCount: number(value.subarray(4)) } : {}),
  };
  const special = SPECIAL.find(([code]) => code === (fdb & 0x3f));
  if (special !== undefined) {
    const structure = special[1];
    return { kind: structure === "DF" ? "DF" : "working", structure, shareable, ...sizes };
  }
  const kind = KINDS[(fdb >> 3) & 0x07];
  const structure = STRUCTURES[fdb & 0x07];
  if (kind === undefined || structure === undefined) throw contradiction("a reserved file descriptor byte");
  return { kind, structure, shareable, ...sizes };
}

/** Sizes take two bytes, the number of EF records one when it fits. Throws CardProblem `bad-fcp`. */
export function encodeFileDescriptor(descriptor: FileDescriptor): Uint8Array {
  const { dataCoding, recordSize, recordCount } = descriptor;
  const first = Uint8Array.of(fileDescriptorByte(descriptor));
  if (recordSize === undefined) {
    if (recordCount !== undefined) throw contradiction("a number of EF records without their size");
    return dataCoding === undefined ? first : concat(first, Uint8Array.of(dataCoding));
  }
  if (dataCoding === undefined) throw contradiction("a record size without data coding byte");
  const size = u16(recordSize);
  const count = recordCount === undefined ? new Uint8Array(0) : unsigned(recordCount);
  if (count.length > 2) throw contradiction(`${recordCount} EF records`);
  return concat(first, Uint8Array.of(dataCoding), size, count);
}

function number(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function contradiction(what: string): CardProblem {
  return new CardProblem("bad-fcp", "file descriptor", `${what} does not exist`);
}
