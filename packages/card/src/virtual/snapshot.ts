import { layout, pageSize } from "./layout.js";
import { readPhase } from "./phase.js";
import type { EepromStore } from "./types.js";

/** Everything a card keeps, at one moment. Holds secrets: never printed, only compared. */
export interface Snapshot {
  readonly bytes: Uint8Array;
}

/** One page that differs, in words without its content. */
export interface Difference {
  readonly page: number;
  readonly part: string;
  /** How many of its bytes differ. */
  readonly bytes: number;
  readonly words: string;
}

const parts: readonly (readonly [from: number, part: string])[] = [
  [layout.chipPage, "chip page"],
  [layout.loaderPair, "loader key, first copy"],
  [layout.loaderPair + pageSize, "loader key, second copy"],
  [layout.phasePair, "phase, first copy"],
  [layout.phasePair + pageSize, "phase, second copy"],
  [layout.keySetPair, "key set, first copy"],
  [layout.keySetPair + pageSize, "key set, second copy"],
  [layout.counterPair, "counters, first copy"],
  [layout.counterPair + pageSize, "counters, second copy"],
  [layout.spare, "spare page of the operating system"],
  [layout.image, "completion image"],
  [layout.files, "files"],
];

export function snapshot(eeprom: EepromStore): Snapshot {
  return { bytes: eeprom.load().slice() };
}

/** The pages in which `after` differs from `before`, in order. Throws RangeError for chips of different size. */
export function compare(before: Snapshot, after: Snapshot): readonly Difference[] {
  if (before.bytes.length !== after.bytes.length)
    throw new RangeError(
      `chips of ${before.bytes.length} and ${after.bytes.length} bytes cannot be compared`,
    );
  const differences: Difference[] = [];
  for (let at = 0; at < before.bytes.length; at += pageSize) {
    const [old, now] = [before.bytes.subarray(at, at + pageSize), after.bytes.subarray(at, at + pageSize)];
    const bytes = old.reduce((count, byte, i) => (byte === now[i] ? count : count + 1), 0);
    if (bytes === 0) continue;
    const part = parts.findLast(([from]) => from <= at)?.[1] ?? "unknown";
    const page = at / pageSize;
    differences.push({
      page,
      part,
      bytes,
      words: `page ${page} (${part}): ${change(part, old, now, bytes)}`,
    });
  }
  return differences;
}

function change(part: string, old: Uint8Array, now: Uint8Array, bytes: number): string {
  if (isErased(now)) return "erased";
  const [from, to] = [phaseOf(part, old), phaseOf(part, now)];
  const phases = to === undefined ? "" : `, ${from === undefined ? "" : `from ${from} `}to ${to}`;
  return isErased(old) ? `written${phases}` : `${bytes} bytes differ${phases}`;
}

const isErased = (page: Uint8Array): boolean => page.every((byte) => byte === 0xff);

/** The phase is no secret. */
function phaseOf(part: string, page: Uint8Array): string | undefined {
  if (!part.startsWith("phase")) return undefined;
  const record = readPhase(page.subarray(6, 14));
  if (record === undefined || isErased(page)) return undefined;
  return `phase ${record.phase.toString(16).padStart(2, "0")}, card state ${record.state.toString(16).padStart(2, "0")}`;
}
