import { hex, utf8 } from "../bytes/index.js";
import type { CardProgram, Segment, Step } from "./types.js";

/**
 * Fingerprint of everything a program does to a card: commands, expectations, rules of repetition, names of keys; not its wording and
 * its costs. `hash` is a cryptographic hash (SHA-256). Equal programs have equal digests, whatever built them.
 */
export function digest(program: CardProgram, hash: (bytes: Uint8Array) => Uint8Array): string {
  return hex(hash(utf8(canonical({ name: program.name, segments: program.segments.map(essence) }))));
}

const essence = ({ name, channel, steps, done }: Segment) => ({
  name,
  channel,
  steps: steps.map(act),
  done: done?.map(act),
});

function act(step: Step): unknown {
  const { why: _why, clause: _clause, cost: _cost, probe, ...rest } = step;
  return { ...rest, probe: probe && { ask: probe.ask.map(act), absent: probe.absent } };
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
