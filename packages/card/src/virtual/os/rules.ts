import { type DataObject, readObjects } from "./tlv.js";

/** Access mode bits (ISO/IEC 7816-4, 5.4.3.1). */
export const AM = {
  read: 0x01,
  update: 0x02,
  append: 0x04,
  deactivate: 0x08,
  activate: 0x10,
  delete: 0x40,
} as const;

export type Condition =
  | { readonly kind: "always" | "never" | "secure messaging" }
  | { readonly kind: "pin" | "key"; readonly reference: number };

/** All conditions of one rule must hold; several rules for the same bit are alternatives. */
export interface Rule {
  readonly modes: number;
  readonly conditions: readonly Condition[];
}

const ANY = Object.values(AM).reduce((all, bit) => all | bit, 0);

/** Expanded security attributes (AB) to rules; undefined when they are not in the form of docs/card-os.md 5. */
export function readRules(attributes: Uint8Array): Rule[] | undefined {
  const objects = readObjects(attributes);
  if (objects === undefined) return undefined;
  const rules: { modes: number; conditions: Condition[] }[] = [];
  for (const object of objects) {
    if (object.tag === 0x80) {
      const [modes = 0] = object.value;
      if (object.value.length !== 1 || modes === 0 || (modes & ~ANY) !== 0) return undefined;
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
