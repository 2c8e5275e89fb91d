import { CardProblem } from "../bytes/index.js";
import { type CompactTlv, parseCompactTlv } from "../tlv/index.js";

/** Card capabilities, COMPACT-TLV object 7 (ISO/IEC 7816-4, 8.1.1.2.7). */
export interface CardCapabilities {
  readonly selection: readonly ("full-name" | "partial-name" | "path" | "file-id" | "implicit")[];
  readonly sfi: boolean;
  readonly recordNumber: boolean;
  readonly recordId: boolean;
  readonly dataCoding?: number;
  readonly chaining?: boolean;
  readonly extendedLength?: boolean;
  /** Logical channels, the basic one included. */
  readonly channels?: number;
}

/** Historical bytes by their category byte; `text` holds the bytes of cards that follow no category. */
export type Historical =
  | { readonly kind: "none" }
  | {
      readonly kind: "compact-tlv";
      readonly objects: readonly CompactTlv[];
      readonly lcs?: number;
      readonly sw?: number;
      readonly capabilities?: CardCapabilities;
    }
  | { readonly kind: "dir-reference"; readonly value: Uint8Array }
  | { readonly kind: "proprietary"; readonly value: Uint8Array };

/** Reads historical bytes (ISO/IEC 7816-4, 8.1.1); damaged COMPACT-TLV counts as proprietary, for many cards carry free text. */
export function parseHistorical(bytes: Uint8Array): Historical {
  const category = bytes[0];
  if (category === undefined) return { kind: "none" };
  if (category === 0x10) return { kind: "dir-reference", value: bytes.subarray(1) };
  if (category !== 0x00 && category !== 0x80) return { kind: "proprietary", value: bytes };
  // Category 00 ends in a mandatory status: LCS, SW1, SW2.
  const tail = category === 0x00 ? 3 : 0;
  if (bytes.length < 1 + tail) return { kind: "proprietary", value: bytes };
  let objects: CompactTlv[];
  try {
    objects = parseCompactTlv(bytes.subarray(1, bytes.length - tail));
  } catch (error) {
    if (error instanceof CardProblem) return { kind: "proprietary", value: bytes };
    throw error;
  }
  const status = tail > 0 ? bytes.subarray(-3) : objects.find(({ tag }) => tag === 8)?.value;
  const capabilities = objects.find(({ tag }) => tag === 7)?.value;
  return {
    kind: "compact-tlv",
    objects,
    ...readStatus(status ?? new Uint8Array(0)),
    ...(capabilities === undefined || capabilities.length === 0
      ? {}
      : { capabilities: readCapabilities(capabilities) }),
  };
}

/** Status indicator: LCS, SW1 SW2, or both (8.1.1.3). */
function readStatus(status: Uint8Array): { lcs?: number; sw?: number } {
  const [a, b, c] = status;
  if (status.length === 1 && a !== undefined) return { lcs: a };
  if (status.length === 2 && a !== undefined && b !== undefined) return { sw: (a << 8) | b };
  if (status.length === 3 && a !== undefined && b !== undefined && c !== undefined)
    return { lcs: a, sw: (b << 8) | c };
  return {};
}

const SELECTION = [
  [0x80, "full-name"],
  [0x40, "partial-name"],
  [0x20, "path"],
  [0x10, "file-id"],
  [0x08, "implicit"],
] as const;

function readCapabilities(bytes: Uint8Array): CardCapabilities {
  const first = bytes[0] ?? 0;
  const [, dataCoding, third] = bytes;
  return {
    selection: SELECTION.filter(([bit]) => (first & bit) !== 0).map(([, name]) => name),
    sfi: (first & 0x04) !== 0,
    recordNumber: (first & 0x02) !== 0,
    recordId: (first & 0x01) !== 0,
    ...(dataCoding === undefined ? {} : { dataCoding }),
    ...(third === undefined
      ? {}
      : {
          chaining: (third & 0x80) !== 0,
          extendedLength: (third & 0x40) !== 0,
          channels: (third & 0x18) === 0 ? 1 : (third & 0x07) + 1,
        }),
  };
}
