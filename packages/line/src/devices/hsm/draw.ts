/** Random bytes of the module's process, watched while they come: a generator that fails must make no challenge, key, salt or PIN. */
import { createHash, randomFillSync } from "node:crypto";
import { unmoved } from "@persoline/card/bytes";
import { VaultRefusal } from "./vault-refusal.js";

export type Source = (length: number) => Uint8Array;

const operatingSystem: Source = (length) => randomFillSync(unmoved(length));
/** Fewer bytes may well come twice; eight do so in a window of draws once in 2^54. */
const COMPARED = 8;
/** So many draws are remembered. */
const REMEMBERED = 1024;
/** So many equal bytes in a row come once in 2^56 (repetition count test, NIST SP 800-90B 4.4.1, of samples of one byte). */
const IN_A_ROW = 8;
/**
 * One value so often in a window of so many bytes, or another value, comes once in 2^40 windows (adaptive proportion test, ibidem 4.4.2,
 * binomially with p = 1/256; of every value at once, for the first of a window alone would always be the same place of a draw).
 */
const WINDOW = 1024;
const TOO_OFTEN = 29;
/** Bytes for nobody at the start of each window, which are judged before any is believed (4.3), and among which those counted later hide. */
const UNUSED = 256;

let source = operatingSystem;
let stuck = false;
let recent: string[] = [];
let known = new Set<string>();
const counts = new Uint16Array(256);
let counted = 0;

/** From now on random bytes come from here; without one, from the operating system. Forgets that the last one failed. */
export function drawFrom(next: Source = operatingSystem): void {
  source = next;
  stuck = false;
  recent = [];
  known = new Set();
  forget();
}

/**
 * Random bytes. Throws VaultRefusal when they are too few, the same as in one of the last draws, or have one value in a row or too often, and
 * from then on always: only a new process is believed again.
 */
export function random(length: number): Uint8Array {
  if (counted === 0) {
    for (let times = 0; times < 2; times++) watched(UNUSED).fill(0);
  }
  const drawn = watched(Math.max(length, COMPARED));
  if (drawn.length === length) return drawn;
  const few = drawn.slice(0, length);
  drawn.fill(0);
  return few;
}

function watched(length: number): Uint8Array {
  if (stuck) throw refusal();
  const drawn = source(length);
  if (drawn.length >= length && isNew(drawn) && !runs(drawn) && !prevails(drawn)) return drawn;
  stuck = true;
  drawn.fill(0);
  throw refusal();
}

/** What is remembered for the comparison is no byte of a key or PIN. */
function isNew(drawn: Uint8Array): boolean {
  const told = createHash("sha256").update(drawn.subarray(0, COMPARED)).digest("base64");
  if (known.has(told)) return false;
  known.add(told);
  recent.push(told);
  if (recent.length > REMEMBERED) known.delete(recent.shift() ?? "");
  return true;
}

/** Within a draw: between draws no byte is kept. */
function runs(drawn: Uint8Array): boolean {
  let row = 0;
  for (const [at, byte] of drawn.entries()) {
    row = at > 0 && byte === drawn[at - 1] ? row + 1 : 1;
    if (row >= IN_A_ROW) return true;
  }
  return false;
}

function prevails(drawn: Uint8Array): boolean {
  let isFull = false;
  for (const byte of drawn) {
    const count = (counts[byte] ?? 0) + 1;
    if (count >= TOO_OFTEN) return true;
    counts[byte] = count;
    if (++counted < WINDOW) continue;
    forget();
    isFull = true;
  }
  // What is left of this draw would stand in the counts alone.
  if (isFull) forget();
  return false;
}

function forget(): void {
  counts.fill(0);
  counted = 0;
}

const refusal = (): VaultRefusal =>
  new VaultRefusal(
    "the random generator repeats itself: no challenge, key or PIN is made any more. Look at the machine or the token, then run the same command again",
  );

/** Decimal digits in ASCII, each as likely as the other. The caller wipes them. */
export function randomDigits(length: number, from: Source = random): Uint8Array {
  const digits = unmoved(length);
  for (let done = 0; done < length; ) {
    const bytes = from(16);
    for (const byte of bytes) if (byte < 250 && done < length) digits[done++] = 0x30 + (byte % 10);
    bytes.fill(0);
  }
  return digits;
}
