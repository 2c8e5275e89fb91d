import { hex, utf8 } from "../bytes/index.js";
import type { CardProgram, Segment, Step } from "./types.js";

/**
 * Fingerprint of everything a program does to a card: commands, expectations, rules of repetition, names of keys; not its wording and
 * its costs. `hash` is a cryptographic hash (SHA-256). Equal programs have equal digests, whatever built them.
 */
export function digest(program: CardProgram, hash: (bytes: Uint8Array) => Uint8Array): string {
  const text = `${canonical(program.name)}[${program.segments.map(segmentText).join(",")}]`;
  return hex(hash(utf8(text)));
}

const segmentText = ({ name, channel, steps, before, done = [] }: Segment): string => {
  const led = before === undefined ? "" : `,[${before.map(stepText).join(",")}]`;
  return `{${canonical(name)},${canonical(channel)},[${steps.map(stepText).join(",")}],[${done.map(stepText).join(",")}]${led}}`;
};

/** Steps are plain data that never change, and most are shared by all cards of a product. */
const known = new WeakMap<Step, string>();

function stepText(step: Step): string {
  const text = known.get(step);
  if (text !== undefined) return text;
  const { why: _why, clause: _clause, cost: _cost, probe, ...rest } = step;
  const asked = probe === undefined ? "" : probeText(probe);
  const made = `${canonical(rest)}${asked}`;
  known.set(step, made);
  return made;
}

function probeText({ ask, absent, instead }: NonNullable<Step["probe"]>): string {
  const inPlace = instead === undefined ? "" : `[${instead.map(stepText).join(",")}]`;
  return `[${ask.map(stepText).join(",")}]${canonical(absent)}${inPlace}`;
}

/** JSON with sorted names and bytes as hexadecimal text; absent and undefined are the same. */
function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `"${hex(value)}"`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const pairs = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`);
  return `{${pairs.join(",")}}`;
}
