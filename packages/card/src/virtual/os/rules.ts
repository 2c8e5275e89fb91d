import { type DataObject, readObjects } from "./tlv.js";

/** Access mode bits (ISO/IEC 7816-4, 5.4.3.1). */
export const AM = {
  read: 0x01,
  update: 0x02,
  append: 0x04,
  deactivate: 0x08,
  activate: 0x10,
  terminate: 0x20,
  delete: 0x40,
} as const;

export type Condition =
  | { readonly kind: "always" | "never" | "secure messaging" | "any key" }
  | { readonly kind: "all" | "any" | "none"; readonly of: readonly Condition[] }
  | { readonly kind: "pin" | "key"; readonly reference: number };

/** All conditions of one rule must hold; several rules for the same bit are alternatives. */
export interface Rule {
  readonly modes: number;
  /** Even codes of instructions that the rule names beside `modes`. */
  readonly instructions?: readonly number[];
  readonly conditions: readonly Condition[];
}

const ANY = 0x7f;
/** Images 1.0 and 1.2 know no termination of files. */
const ANY_ROM = ANY & ~AM.terminate;

/** Expanded security attributes (AB) to rules; undefined when they are not in the form of docs/card-os.md 5. */
export function readRules(attributes: Uint8Array): Rule[] | undefined {
  const objects = readObjects(attributes);
  if (objects === undefined) return undefined;
  const rules: { modes: number; conditions: Condition[] }[] = [];
  for (const object of objects) {
    if (object.tag === 0x80) {
      const [modes = 0] = object.value;
      if (object.value.length !== 1 || modes === 0 || (modes & ~ANY_ROM) !== 0) return undefined;
      rules.push({ modes, conditions: [] });
    } else {
      const condition = readCondition(object);
      if (condition === undefined) return undefined;
      const rule = rules.at(-1);
      if (rule === undefined) return undefined;
      rule.conditions.push(condition);
    }
  }
  return rules.every(({ conditions }) => conditions.length > 0) ? rules : undefined;
}

function readCondition({ tag, value }: DataObject): Condition | undefined {
  switch (tag) {
    case 0x90:
      return value.length === 0 ? { kind: "always" } : undefined;
    case 0x97:
      return value.length === 0 ? { kind: "never" } : undefined;
    case 0x9e:
      return value.length === 1 && value[0] === 0x40 ? { kind: "secure messaging" } : undefined;
    case 0xa4: {
      const [t1, l1, reference = 0, t2, l2, usage] = value;
      if (value.length !== 6 || t1 !== 0x83 || l1 !== 1 || t2 !== 0x95 || l2 !== 1) return undefined;
      if (usage === 0x08) return { kind: "pin", reference };
      return usage === 0x80 ? { kind: "key", reference } : undefined;
    }
    default:
      return undefined;
  }
}

/** Expanded attributes as image 2.0 takes them (docs/card-os.md 10.2); those of the ROM are among them. */
export function readWideRules(attributes: Uint8Array): Rule[] | undefined {
  const objects = readObjects(attributes);
  if (objects === undefined) return undefined;
  const rules: { modes: number; instructions?: readonly number[]; conditions: Condition[] }[] = [];
  for (const { tag, value } of objects) {
    if (tag === 0x80) {
      const [modes = 0] = value;
      if (value.length !== 1 || modes === 0 || (modes & ~ANY) !== 0) return undefined;
      rules.push({ modes, conditions: [] });
    } else if (tag === 0x84) {
      if (value.length === 0 || value.some((ins) => ins % 2 !== 0)) return undefined;
      rules.push({ modes: 0, instructions: [...value], conditions: [] });
    } else {
      const condition = readWideCondition({ tag, value });
      const rule = rules.at(-1);
      if (condition === undefined || rule === undefined) return undefined;
      rule.conditions.push(condition);
    }
  }
  return rules.every(({ conditions }) => conditions.length > 0) ? rules : undefined;
}

const COMBINED: Readonly<Record<number, "any" | "none" | "all">> = { 0xa0: "any", 0xa7: "none", 0xaf: "all" };

function readWideCondition({ tag, value }: DataObject): Condition | undefined {
  const kind = COMBINED[tag];
  if (kind !== undefined) {
    const inner = readObjects(value)?.map((object) =>
      object.tag in COMBINED ? undefined : readWideCondition(object),
    );
    const of = inner?.filter((condition) => condition !== undefined);
    return of === undefined || of.length === 0 || of.length !== inner?.length ? undefined : { kind, of };
  }
  if (tag === 0x9e) return value.length === 1 ? readConditionByte(value[0] ?? 0) : undefined;
  if (tag === 0xb4) return value.length === 0 ? { kind: "secure messaging" } : undefined;
  return readCondition({ tag, value });
}

/** Compact attributes (ISO/IEC 7816-4, 5.4.3.1): AM, then a SC byte for each of its bits from b7 down; again and again. */
export function readCompactRules(attributes: Uint8Array): Rule[] | undefined {
  const rules: Rule[] = [];
  for (let at = 0; at < attributes.length; ) {
    const modes = attributes[at++] ?? 0;
    if (modes === 0 || modes > ANY) return undefined;
    for (let bit = 0x40; bit > 0; bit >>= 1) {
      if ((modes & bit) === 0) continue;
      const byte = attributes[at++];
      const condition = byte === undefined ? undefined : readConditionByte(byte);
      if (condition === undefined) return undefined;
      rules.push({ modes: bit, conditions: [condition] });
    }
  }
  return rules;
}

function readConditionByte(byte: number): Condition | undefined {
  if (byte === 0x00) return { kind: "always" };
  if (byte === 0xff) return { kind: "never" };
  const of: Condition[] = [];
  if ((byte & 0x40) !== 0) of.push({ kind: "secure messaging" });
  if ((byte & 0x20) !== 0) of.push({ kind: "any key" });
  if ((byte & 0x10) !== 0) of.push({ kind: "pin", reference: LOCAL_PIN });
  if (of.length === 0 || (byte & 0x0f) > 1) return undefined;
  return { kind: (byte & 0x80) === 0 ? "any" : "all", of };
}

const LOCAL_PIN = 0x81;
