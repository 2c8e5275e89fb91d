/**
 * Loaded before the program (`node --import planted.test.data.js?from=FILE`): keeps canaries in this process in the forms that secrets would have
 * in it, so that a search of its memory is known to find such. The file has them inverted: nothing of them gets here otherwise. At its end the
 * process stands still until whoever searches it lets it go.
 */
import { readFileSync } from "node:fs";

const inverted = readFileSync(new URL(import.meta.url).searchParams.get("from") ?? "");
const part = (at: number): readonly number[] =>
  Array.from(inverted.subarray(16 * at, 16 * at + 16), (byte) => byte ^ 0xff);

const kept = {
  bytes: Buffer.alloc(16, Uint8Array.from(part(0))),
  // Up to 64 bytes lie in the garbage collector's own heap.
  fewBytes: Uint8Array.from(part(1)),
  numbers: part(2),
  text: part(3)
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join(""),
};

process.on("exit", () => {
  process.kill(process.pid, "SIGSTOP");
  // Still needed here: until then nothing of it may be collected.
  if (Object.keys(kept).length === 0) throw new Error("nothing was planted");
});
