import {
  type Aid,
  aid,
  CardProblem,
  concat,
  type Fid,
  fid,
  readU16,
  readUnsigned,
  type Sfi,
  sfi,
  u16,
  unsigned,
} from "../bytes/index.js";
import { encodeTlv, findTlv, parseTlv, type Tlv, tlv } from "../tlv/index.js";
import {
  type AccessRule,
  decodeCompactRules,
  decodeExpandedRules,
  encodeCompactRules,
  encodeExpandedRules,
} from "./access-rules.js";
import { decodeFileDescriptor, encodeFileDescriptor, type FileDescriptor } from "./descriptor.js";

/** Security attribute by reference, object 8B: rules in an EF.ARR (ISO/IEC 7816-4, 5.4.3.3). */
export type ArrReference =
  /** EF record of the implicit EF.ARR. */
  | { readonly record: number }
  | { readonly fid: Fid; readonly record: number }
  /** EF records by security environment. */
  | {
      readonly fid: Fid;
      readonly byEnvironment: readonly { readonly seid: number; readonly record: number }[];
    };

/** File control parameters (ISO/IEC 7816-4:2005, 5.3.3, table 12). Lengths in bytes. */
export interface Fcp {
  readonly descriptor?: FileDescriptor;
  readonly fid?: Fid;
  readonly dfName?: Aid;
  /** Object 80: data bytes of the EF, structure excluded. */
  readonly size?: number;
  /** Object 81: bytes including structure; of a DF, its space. */
  readonly totalSize?: number;
  /** Object 88; "none": the file has no short identifier. Absent: low five bits of the file identifier may serve. */
  readonly sfi?: Sfi | "none";
  /** Life cycle status byte, object 8A (see `lifeCycle`). */
  readonly lcs?: number;
  readonly arr?: ArrReference;
  /** Object 8C. */
  readonly compactRules?: readonly AccessRule[];
  /** Object AB. */
  readonly expandedRules?: readonly AccessRule[];
  /** Object 86. */
  readonly proprietarySecurity?: Uint8Array;
  /** Object 85. */
  readonly proprietary?: Uint8Array;
  /** Object A5. */
  readonly proprietaryTlv?: readonly Tlv[];
  /** Everything else, in its order. */
  readonly others?: readonly Tlv[];
}

/** Templates that a SELECT answers with. */
export interface Fci {
  readonly template: "FCP" | "FCI" | "FMD";
  readonly fcp: Fcp;
  /** File management data, template 64. */
  readonly fmd?: readonly Tlv[];
}

/**
 * The answer to SELECT: 62, 64 or 6F; a 6F without templates inside holds the parameters themselves.
 * Arrays are views of the input. Throws CardProblem `bad-tlv`, `bad-fcp`.
 */
export function decodeFci(bytes: Uint8Array): Fci {
  const [object, ...more] = parseTlv(bytes);
  if (object === undefined || more.length > 0) throw problem("the answer is not one template");
  const children = object.children ?? [];
  switch (object.tag) {
    case 0x62:
      return { template: "FCP", fcp: decodeParameters(children) };
    case 0x64:
      return { template: "FMD", fcp: {}, fmd: children };
    case 0x6f: {
      const fmd = findTlv(children, 0x64)?.children;
      const inner = findTlv(children, 0x62)?.children ?? children.filter(({ tag }) => tag !== 0x64);
      return { template: "FCI", fcp: decodeParameters(inner), ...(fmd === undefined ? {} : { fmd }) };
    }
    default:
      throw problem(`${object.tag.toString(16).toUpperCase()} is not a file control template`);
  }
}

/** Template 62 alone. Throws CardProblem `bad-tlv`, `bad-fcp`. */
export function decodeFcp(bytes: Uint8Array): Fcp {
  const { template, fcp } = decodeFci(bytes);
  if (template !== "FCP") throw problem(`the template is ${template}, not FCP`);
  return fcp;
}

/** Template 62, or 6F with the parameters in it directly, objects in the order of ETSI TS 102 222. Throws CardProblem `bad-fcp`. */
export function encodeFcp(fcp: Fcp, template: 0x62 | 0x6f = 0x62): Uint8Array {
  return encodeTlv(tlv(template, ...encodeParameters(fcp)));
}

/** The answer to SELECT from its parts. Throws CardProblem `bad-fcp`. */
export function encodeFci(fci: Fci): Uint8Array {
  const { template, fcp, fmd = [] } = fci;
  switch (template) {
    case "FCP":
      return encodeFcp(fcp);
    case "FMD":
      return encodeTlv(tlv(0x64, ...fmd));
    case "FCI":
      if (fci.fmd === undefined) return encodeFcp(fcp, 0x6f);
      return encodeTlv(tlv(0x6f, tlv(0x62, ...encodeParameters(fcp)), tlv(0x64, ...fmd)));
  }
}

function decodeParameters(objects: readonly Tlv[]): Fcp {
  const fcp: { -readonly [K in keyof Fcp]: Fcp[K] } = {};
  const others: Tlv[] = [];
  const seen = new Set<number>();
  for (const object of objects) {
    const { tag, value } = object;
    // A second object of a known tag would silently win or lose; both ways hide a fault.
    if (KNOWN.has(tag) && seen.has(tag))
      throw problem(`object ${tag.toString(16).toUpperCase()} occurs twice`);
    seen.add(tag);
    switch (tag) {
      case 0x80:
        fcp.size = size(tag, value);
        break;
      case 0x81:
        fcp.totalSize = size(tag, value);
        break;
      case 0x82:
        fcp.descriptor = decodeFileDescriptor(value);
        break;
      case 0x83:
        exactly(tag, value, 2);
        fcp.fid = fid(readU16(value));
        break;
      case 0x84:
        if (value.length < 1 || value.length > 16)
          throw problem(`a DF name has 1 to 16 bytes, not ${value.length}`);
        // DF names shorter than an AID exist; they are kept as they are.
        if (value.length >= 5) fcp.dfName = aid(value);
        else others.push(object);
        break;
      case 0x85:
        fcp.proprietary = value;
        break;
      case 0x86:
        fcp.proprietarySecurity = value;
        break;
      case 0x88:
        fcp.sfi = decodeSfi(value);
        break;
      case 0x8a:
        exactly(tag, value, 1);
        fcp.lcs = value[0] ?? 0;
        break;
      case 0x8b:
        fcp.arr = decodeArr(value);
        break;
      case 0x8c:
        fcp.compactRules = decodeCompactRules(value);
        break;
      case 0xa5:
        fcp.proprietaryTlv = object.children ?? [];
        break;
      case 0xab:
        fcp.expandedRules = decodeExpandedRules(value);
        break;
      default:
        others.push(object);
    }
  }
  if (others.length > 0) fcp.others = others;
  return fcp;
}

const KNOWN = new Set([0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x88, 0x8a, 0x8b, 0x8c, 0xa5, 0xab]);

function encodeParameters(fcp: Fcp): Tlv[] {
  const { descriptor, dfName, proprietary, proprietaryTlv, lcs, proprietarySecurity, others } = fcp;
  const list: Tlv[] = [];
  if (descriptor !== undefined) list.push(tlv(0x82, encodeFileDescriptor(descriptor)));
  if (fcp.fid !== undefined) list.push(tlv(0x83, u16(fcp.fid)));
  if (dfName !== undefined) list.push(tlv(0x84, dfName));
  if (proprietary !== undefined) list.push(tlv(0x85, proprietary));
  if (proprietaryTlv !== undefined) list.push(tlv(0xa5, ...proprietaryTlv));
  if (lcs !== undefined) list.push(tlv(0x8a, Uint8Array.of(lcs)));
  if (proprietarySecurity !== undefined) list.push(tlv(0x86, proprietarySecurity));
  if (fcp.arr !== undefined) list.push(tlv(0x8b, encodeArr(fcp.arr)));
  if (fcp.compactRules !== undefined) list.push(tlv(0x8c, encodeCompactRules(fcp.compactRules)));
  if (fcp.expandedRules !== undefined) list.push(tlv(0xab, encodeExpandedRules(fcp.expandedRules)));
  if (fcp.size !== undefined) list.push(tlv(0x80, unsigned(fcp.size, 2)));
  if (fcp.totalSize !== undefined) list.push(tlv(0x81, unsigned(fcp.totalSize, 2)));
  if (fcp.sfi !== undefined) list.push(tlv(0x88, Uint8Array.from(fcp.sfi === "none" ? [] : [fcp.sfi << 3])));
  return [...list, ...(others ?? [])];
}

function size(tag: number, value: Uint8Array): number {
  if (value.length === 0 || value.length > 6) {
    throw problem(`object ${tag.toString(16)} has ${value.length} bytes, which are no file size`);
  }
  return readUnsigned(value);
}

function exactly(tag: number, value: Uint8Array, length: number): void {
  if (value.length !== length) {
    throw problem(`object ${tag.toString(16).toUpperCase()} has ${length} bytes, not ${value.length}`);
  }
}

/** SFI in b8..b4; an empty object says that there is none. */
function decodeSfi(value: Uint8Array): Sfi | "none" {
  const byte = value[0];
  if (byte === undefined) return "none";
  exactly(0x88, value, 1);
  if ((byte & 0x07) !== 0 || byte === 0x00 || byte === 0xf8)
    throw problem("object 88 holds no short file identifier");
  return sfi(byte >> 3);
}

function decodeArr(value: Uint8Array): ArrReference {
  const [first, , third] = value;
  if (value.length === 1 && first !== undefined) return { record: first };
  if (value.length === 3 && third !== undefined) return { fid: fid(readU16(value)), record: third };
  if (value.length < 4 || value.length % 2 !== 0) throw problem(`object 8B of ${value.length} bytes`);
  const byEnvironment: { seid: number; record: number }[] = [];
  for (let at = 2; at < value.length; at += 2) {
    byEnvironment.push({ seid: value[at] ?? 0, record: value[at + 1] ?? 0 });
  }
  return { fid: fid(readU16(value)), byEnvironment };
}

function encodeArr(arr: ArrReference): Uint8Array {
  if ("byEnvironment" in arr) {
    if (arr.byEnvironment.length === 0) throw problem("object 8B names no EF record");
    return concat(u16(arr.fid), ...arr.byEnvironment.map(({ seid, record }) => Uint8Array.of(seid, record)));
  }
  const record = Uint8Array.of(arr.record);
  return "fid" in arr ? concat(u16(arr.fid), record) : record;
}

function problem(hint: string): CardProblem {
  return new CardProblem("bad-fcp", "file control information", hint);
}
