import { concat, u16 } from "@persoline/card/bytes";
import { encodeTlv, type Tlv, tlv } from "@persoline/card/tlv";
import type { Access, Condition, DfModel, EfModel } from "./product-model.js";

/** What stands behind `pin` and `auth(gate)` in a DF. */
export interface References {
  readonly pin: number;
  readonly gate: number;
}

/** P2 of VERIFY and the reference in rules: PIN 1 of the DF (docs/card-os.md 4). */
export const PIN_REFERENCE = 0x81;
export const MF = 0x3f00;
const fileDescriptor = {
  transparent: 0x01,
  "linear-fixed": 0x02,
  "linear-variable": 0x04,
  cyclic: 0x06,
} as const;
const LCS = { initialisation: 0x03, active: 0x05 } as const;

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

/** SC-DO of one condition (ISO/IEC 7816-4, 5.4.3.2; docs/card-os.md 5). */
function condition(one: Condition, refs: References): Uint8Array {
  switch (one) {
    case "always":
      return bytes(0x90, 0x00);
    case "never":
      return bytes(0x97, 0x00);
    case "perso":
      return bytes(0x9e, 0x01, 0x40);
    case "pin":
      return bytes(0xa4, 0x06, 0x83, 0x01, refs.pin, 0x95, 0x01, 0x08);
    case "gate":
      return bytes(0xa4, 0x06, 0x83, 0x01, refs.gate, 0x95, 0x01, 0x80);
  }
}

/** Value of `AB`: one AM-DO for all acts under the same conditions, then those. An act without rule is never allowed. */
export function securityAttributes(access: Access, refs: References): Uint8Array {
  const acts: readonly (readonly [am: number, rule: readonly Condition[] | undefined])[] = [
    [0x01, access.read],
    [0x02, access.update],
    [0x04, access.append],
  ];
  const groups = new Map<string, { am: number; readonly rule: readonly Condition[] }>();
  for (const [am, rule] of acts) {
    if (rule === undefined) continue;
    const group = groups.get(rule.join());
    if (group === undefined) groups.set(rule.join(), { am, rule });
    else group.am |= am;
  }
  return concat(
    ...[...groups.values()].flatMap(({ am, rule }) => [
      bytes(0x80, 0x01, am),
      ...rule.map((one) => condition(one, refs)),
    ]),
  );
}

export const refsOf = (df: DfModel): References => ({ pin: PIN_REFERENCE, gate: df.keys?.gate ?? 0 });

/** Objects in the order in which SELECT answers them; `8A` stands there only in answers (docs/card-os.md 5). */
function efObjects(ef: EfModel, refs: References, coded: boolean, lcs?: number): Tlv[] {
  const descriptor =
    ef.type === "transparent"
      ? [0x01, ...(coded ? [0x21] : [])]
      : [fileDescriptor[ef.type], 0x21, 0x00, ef.record, ef.count];
  return [
    tlv(0x82, bytes(...descriptor)),
    tlv(0x83, u16(ef.fid)),
    tlv(0x80, u16(ef.size)),
    tlv(0x88, bytes(ef.sfi << 3)),
    ...(lcs === undefined ? [] : [tlv(0x8a, bytes(lcs))]),
    tlv(0xab, securityAttributes(ef.access, refs)),
  ];
}

function dfObjects(df: Pick<DfModel, "fid"> & { readonly aid?: Uint8Array }, lcs?: number): Tlv[] {
  return [
    tlv(0x82, bytes(0x38)),
    tlv(0x83, u16(df.fid)),
    ...(df.aid === undefined ? [] : [tlv(0x84, df.aid)]),
    ...(lcs === undefined ? [] : [tlv(0x8a, bytes(lcs))]),
  ];
}

const template = (objects: Tlv[]): Uint8Array => encodeTlv(tlv(0x62, ...objects));

/** A file as CREATE FILE wants it, and as SELECT answers it before and after ACTIVATE FILE. */
export interface Fcp {
  readonly create: Uint8Array;
  readonly created: Uint8Array;
  readonly active: Uint8Array;
}

/** `coded`: a transparent EF has its data coding byte too. */
export const efFcp = (ef: EfModel, refs: References, coded: boolean): Fcp => ({
  create: template(efObjects(ef, refs, coded)),
  created: template(efObjects(ef, refs, coded, LCS.initialisation)),
  active: template(efObjects(ef, refs, coded, LCS.active)),
});

export const dfFcp = (df: Pick<DfModel, "fid"> & { readonly aid?: Uint8Array }): Fcp => ({
  create: template(dfObjects(df)),
  created: template(dfObjects(df, LCS.initialisation)),
  active: template(dfObjects(df, LCS.active)),
});
