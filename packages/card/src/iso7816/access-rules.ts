import { CardProblem, concat, readUnsigned, unsigned } from "../bytes/index.js";
import { encodeTlv, findTlv, parseTlv, type Tlv, tlv } from "../tlv/index.js";

/** Bits of the access mode byte for EFs, DFs and data objects (ISO/IEC 7816-4, tables 17 to 19). */
export const ACCESS = {
  ef: {
    delete: 0x40,
    terminate: 0x20,
    activate: 0x10,
    deactivate: 0x08,
    append: 0x04,
    update: 0x02,
    read: 0x01,
  },
  df: {
    delete: 0x40,
    terminate: 0x20,
    activate: 0x10,
    deactivate: 0x08,
    createDf: 0x04,
    createEf: 0x02,
    deleteChild: 0x01,
  },
  object: { manageEnvironment: 0x04, put: 0x02, get: 0x01 },
} as const;

/** What an access rule is about. */
export type AccessMode =
  /** Access mode byte; b8 = 1 makes b7..b4 proprietary. */
  | { readonly kind: "mode"; readonly byte: number }
  /** Command headers: `fields` b4..b1 tell which of CLA INS P1 P2 the list holds. */
  | { readonly kind: "commands"; readonly fields: number; readonly list: Uint8Array }
  | { readonly kind: "proprietary"; readonly value: Uint8Array };

/** What has to be true. How several conditions of one rule combine is the card's affair (its profile says it). */
export type SecurityCondition =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  /** Security condition byte: all or any of the marked ones; `environment` 0 names no security environment. */
  | {
      readonly kind: "conditions";
      readonly need: "all" | "any";
      readonly secureMessaging: boolean;
      readonly externalAuthentication: boolean;
      readonly userAuthentication: boolean;
      readonly environment: number;
    }
  /** Authentication template: usage 08 user (PIN), 80 external authentication. */
  | { readonly kind: "authentication"; readonly keyReference?: number; readonly usage?: number }
  /** Secure messaging with a checksum (CCT), signature (DST) or cryptogram (CT) template. */
  | {
      readonly kind: "secure-messaging";
      readonly template: "CCT" | "DST" | "CT";
      readonly content: Uint8Array;
    }
  | { readonly kind: "any-of" | "all-of" | "none-of"; readonly conditions: readonly SecurityCondition[] };

/** One mode and what it needs. In compact form there is one condition a rule, and one mode bit. */
export interface AccessRule {
  readonly mode: AccessMode;
  readonly conditions: readonly SecurityCondition[];
}

const BITS = [0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01] as const;

/** Value of object 8C: AM byte and one SC byte a bit, again and again (ISO/IEC 7816-4, 5.4.3.1). Throws CardProblem `bad-fcp`. */
export function decodeCompactRules(value: Uint8Array): AccessRule[] {
  const rules: AccessRule[] = [];
  let at = 0;
  while (at < value.length) {
    const am = value[at++] ?? 0;
    if ((am & 0x7f) === 0) throw problem("8C", "an access mode byte marks nothing");
    for (const bit of BITS) {
      if ((am & bit) === 0) continue;
      const sc = value[at++];
      if (sc === undefined) throw problem("8C", "a security condition byte is missing");
      rules.push({ mode: { kind: "mode", byte: (am & 0x80) | bit }, conditions: [decodeConditionByte(sc)] });
    }
  }
  return rules;
}

/** Neighbouring rules in falling order of their bits share one AM byte. Throws CardProblem `bad-fcp` for what has no compact form. */
export function encodeCompactRules(rules: readonly AccessRule[]): Uint8Array {
  const groups: { am: number; lowest: number; conditions: number[] }[] = [];
  for (const { mode, conditions } of rules) {
    const [condition, ...more] = conditions;
    if (mode.kind !== "mode" || condition === undefined || more.length > 0) {
      throw problem("8C", "the compact form takes a mode byte and one condition");
    }
    const sc = encodeConditionByte(condition);
    for (const bit of BITS) {
      if ((mode.byte & bit) === 0) continue;
      const group = groups.at(-1);
      if (group !== undefined && bit < group.lowest && ((group.am ^ mode.byte) & 0x80) === 0) {
        group.am |= bit;
        group.lowest = bit;
        group.conditions.push(sc);
      } else {
        groups.push({ am: (mode.byte & 0x80) | bit, lowest: bit, conditions: [sc] });
      }
    }
  }
  return concat(...groups.map(({ am, conditions }) => Uint8Array.of(am, ...conditions)));
}

/** SC byte (ISO/IEC 7816-4, table 20): 00 always, FF never, else b8 all or any, b7 SM, b6 external, b5 user, b4..b1 SEID. */
export function decodeConditionByte(sc: number): SecurityCondition {
  if (sc === 0x00) return { kind: "always" };
  if (sc === 0xff) return { kind: "never" };
  return {
    kind: "conditions",
    need: (sc & 0x80) === 0 ? "any" : "all",
    secureMessaging: (sc & 0x40) !== 0,
    externalAuthentication: (sc & 0x20) !== 0,
    userAuthentication: (sc & 0x10) !== 0,
    environment: sc & 0x0f,
  };
}

/** Throws CardProblem `bad-fcp` for conditions that have no SC byte, or whose byte would mean "always" or "never". */
export function encodeConditionByte(condition: SecurityCondition): number {
  if (condition.kind === "always") return 0x00;
  if (condition.kind === "never") return 0xff;
  if (condition.kind !== "conditions")
    throw problem("SC byte", `${condition.kind} has no security condition byte`);
  const { environment } = condition;
  if (!Number.isInteger(environment) || environment < 0 || environment > 15) {
    throw problem("SC byte", `${environment} is not a security environment from 0 to 15`);
  }
  const sc =
    (condition.need === "all" ? 0x80 : 0) |
    (condition.secureMessaging ? 0x40 : 0) |
    (condition.externalAuthentication ? 0x20 : 0) |
    (condition.userAuthentication ? 0x10 : 0) |
    environment;
  if (sc === 0x00 || sc === 0xff) throw problem("SC byte", "these conditions would read as always or never");
  return sc;
}

/** Value of object AB, or an EF.ARR record: an AM object, then its SC objects (ISO/IEC 7816-4, 5.4.3.2). Throws CardProblem. */
export function decodeExpandedRules(value: Uint8Array): AccessRule[] {
  const rules: { mode: AccessMode; conditions: SecurityCondition[] }[] = [];
  for (const object of parseTlv(value)) {
    const mode = decodeMode(object);
    if (mode !== undefined) {
      rules.push({ mode, conditions: [] });
      continue;
    }
    const rule = rules.at(-1);
    if (rule === undefined) throw problem("AB", "a security condition comes before any access mode");
    rule.conditions.push(decodeCondition(object));
  }
  if (rules.some(({ conditions }) => conditions.length === 0))
    throw problem("AB", "an access mode has no condition");
  return rules;
}

/** Throws CardProblem `bad-fcp` for a rule without condition. */
export function encodeExpandedRules(rules: readonly AccessRule[]): Uint8Array {
  return encodeTlv(
    rules.flatMap(({ mode, conditions }) => {
      if (conditions.length === 0) throw problem("AB", "an access mode has no condition");
      return [encodeMode(mode), ...conditions.map(encodeCondition)];
    }),
  );
}

function decodeMode({ tag, value }: Tlv): AccessMode | undefined {
  if (tag === 0x80) {
    const byte = value[0];
    if (byte === undefined || value.length !== 1) throw problem("AB", "an access mode byte is not one byte");
    return { kind: "mode", byte };
  }
  if (tag > 0x80 && tag <= 0x8f) return { kind: "commands", fields: tag & 0x0f, list: value };
  return tag === 0x9c ? { kind: "proprietary", value } : undefined;
}

function encodeMode(mode: AccessMode): Tlv {
  switch (mode.kind) {
    case "mode":
      return tlv(0x80, Uint8Array.of(mode.byte));
    case "commands":
      if (!Number.isInteger(mode.fields) || mode.fields < 1 || mode.fields > 15) {
        throw problem("AB", `${mode.fields} marks no field of a header`);
      }
      return tlv(0x80 | mode.fields, mode.list);
    case "proprietary":
      return tlv(0x9c, mode.value);
  }
}

const TEMPLATES = [
  [0xb4, "CCT"],
  [0xb6, "DST"],
  [0xb8, "CT"],
] as const;
const COMBINATIONS = [
  [0xa0, "any-of"],
  [0xaf, "all-of"],
  [0xa7, "none-of"],
] as const;

function decodeCondition(object: Tlv): SecurityCondition {
  const { tag, value, children = [] } = object;
  if (tag === 0x90 || tag === 0x97) {
    if (value.length > 0) throw problem("AB", "always and never are empty objects");
    return { kind: tag === 0x90 ? "always" : "never" };
  }
  if (tag === 0x9e) {
    const byte = value[0];
    if (byte === undefined || value.length !== 1)
      throw problem("AB", "a security condition byte is not one byte");
    return decodeConditionByte(byte);
  }
  if (tag === 0xa4) {
    const key = findTlv(children, 0x83);
    const usage = findTlv(children, 0x95);
    return {
      kind: "authentication",
      ...(key === undefined ? {} : { keyReference: readUnsigned(key.value) }),
      ...(usage === undefined ? {} : { usage: readUnsigned(usage.value) }),
    };
  }
  const template = TEMPLATES.find(([code]) => code === tag);
  if (template !== undefined) return { kind: "secure-messaging", template: template[1], content: value };
  const combination = COMBINATIONS.find(([code]) => code === tag);
  if (combination !== undefined) return { kind: combination[1], conditions: children.map(decodeCondition) };
  throw problem("AB", `object ${tag.toString(16).toUpperCase()} is no security condition`);
}

function encodeCondition(condition: SecurityCondition): Tlv {
  switch (condition.kind) {
    case "always":
      return tlv(0x90);
    case "never":
      return tlv(0x97);
    case "conditions":
      return tlv(0x9e, Uint8Array.of(encodeConditionByte(condition)));
    case "authentication": {
      const { keyReference, usage } = condition;
      return tlv(
        0xa4,
        ...(keyReference === undefined ? [] : [tlv(0x83, unsigned(keyReference))]),
        ...(usage === undefined ? [] : [tlv(0x95, unsigned(usage))]),
      );
    }
    case "secure-messaging":
      return tlv(TEMPLATES.find(([, name]) => name === condition.template)?.[0] ?? 0xb4, condition.content);
    case "any-of":
    case "all-of":
    case "none-of":
      return tlv(
        COMBINATIONS.find(([, name]) => name === condition.kind)?.[0] ?? 0xa0,
        ...condition.conditions.map(encodeCondition),
      );
  }
}

function problem(where: string, hint: string): CardProblem {
  return new CardProblem("bad-fcp", `access rules ${where}`, hint);
}
