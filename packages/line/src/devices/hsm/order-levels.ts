/** How well an order's secrets must be kept, as sentences of its list (order-policy.ts): the module that takes the list judges them itself. */
import {
  type Capability,
  hsmOperations,
  type HsmOperation,
  type ProtectionLevel,
  protectionLevels,
} from "./port.js";

/** What a module keeps, operation by operation. */
export type Kept = Readonly<Partial<Record<HsmOperation, Pick<Capability, "level" | "note">>>>;

export const levelSentence = (operation: HsmOperation, level: ProtectionLevel): string =>
  `operation ${operation} kept at ${level}`;

const FORM = /^operation (\S*) kept at (\S*)$/;

const isOperation = (text: string): text is HsmOperation =>
  (hsmOperations as readonly string[]).includes(text);
const isLevel = (text: string): text is ProtectionLevel =>
  (protectionLevels as readonly string[]).includes(text);

/** Whether a level is as good as one that is wanted, or better. */
export const suffices = (kept: Capability["level"], wanted: ProtectionLevel): boolean =>
  kept !== "unavailable" && protectionLevels.indexOf(kept) <= protectionLevels.indexOf(wanted);

/** Why this operation is not kept as it must be; undefined when it is. */
export function whyNotKept(
  operation: HsmOperation,
  wanted: ProtectionLevel,
  who: string,
  kept: Kept,
): string | undefined {
  const { level, note } = kept[operation] ?? { level: "unavailable" as const };
  if (suffices(level, wanted)) return undefined;
  const keeps = level === "unavailable" ? "cannot do it" : `keeps it at ${level}`;
  return `${operation} must be kept at ${wanted}, and ${who} ${keeps}${note === undefined ? "" : `: ${note}`}`;
}

/** The first sentence about a level that this module does not keep, in words; it keeps none that it does not understand. */
export function unkeptSentence(sentences: Iterable<string>, kept: Kept): string | undefined {
  for (const sentence of sentences) {
    if (!sentence.startsWith("operation ")) continue;
    const [, operation = "", wanted = ""] = FORM.exec(sentence) ?? [];
    if (!isOperation(operation) || !isLevel(wanted))
      return `this module does not know what "${sentence}" means`;
    const why = whyNotKept(operation, wanted, "this module", kept);
    if (why !== undefined) return why;
  }
  return undefined;
}
