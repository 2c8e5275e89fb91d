/** Random bytes of the module's process, watched while they come: a generator that is stuck must make no challenge, key or PIN. */
import { createHash, randomFillSync } from "node:crypto";
import { equal, unmoved } from "@persoline/card/bytes";
import { VaultRefusal } from "./vault-refusal.js";

export type Source = (length: number) => Uint8Array;

const operatingSystem: Source = (length) => randomFillSync(unmoved(length));
/** Fewer bytes may well come twice; eight do so once in 2^64. */
const COMPARED = 8;

let source = operatingSystem;
let last: Uint8Array = new Uint8Array(0);
let stuck = false;

/** From now on random bytes come from here; without one, from the operating system. Forgets that the last one was stuck. */
export function drawFrom(next: Source = operatingSystem): void {
  source = next;
  last = new Uint8Array(0);
  stuck = false;
}

/**
 * Random bytes. Throws VaultRefusal when they are too few or the same as before (repetition test, after NIST SP 800-90B 4.4.1), and from
 * then on always: only a new process is believed again.
 */
export function random(length: number): Uint8Array {
  if (stuck) throw refusal();
  const drawn = source(Math.max(length, COMPARED));
  const first = told(drawn.subarray(0, COMPARED));
  if (drawn.length < Math.max(length, COMPARED) || equal(first, last)) {
    stuck = true;
    throw refusal();
  }
  last = first;
  if (drawn.length === length) return drawn;
  const few = drawn.slice(0, length);
  drawn.fill(0);
  return few;
}

/** What is remembered for the comparison is no byte of a key or PIN. */
const told = (first: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(first).digest());

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
