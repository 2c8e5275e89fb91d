/** Draws RSA pairs for cards beside the module's own thread: a pair takes tens of milliseconds, and no card may wait for it. */
import { createCipheriv } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { seededBytes } from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto } from "@persoline/card/node";
import type { DrawAnswer, DrawAsk, Stream } from "./icc-keys.js";

/** Some eight hundred candidates are drawn for a pair: each for itself would cost as much as sieving it. */
const AT_ONCE = new Uint8Array(4096);

interface Drawn {
  readonly random: (length: number) => Uint8Array;
  readonly wipe: () => void;
}

/** Bytes for primes: of a test seed, or AES-256-CTR under 48 fresh bytes of the module's watched generator (key ‖ first counter). */
function bytesOf(stream: Stream): Drawn {
  if ("seed" in stream) return { random: seededBytes(nodeCrypto, stream.seed), wipe: () => undefined };
  const { secret } = stream;
  const cipher = createCipheriv("aes-256-ctr", secret.subarray(0, 32), secret.subarray(32));
  secret.fill(0);
  let bytes = new Uint8Array(0);
  let at = 0;
  const wipe = (): void => void bytes.fill(0);
  const random = (length: number): Uint8Array => {
    if (at + length > bytes.length) {
      wipe();
      bytes = cipher.update(AT_ONCE);
      at = 0;
    }
    at += length;
    return bytes.subarray(at - length, at);
  };
  return { random, wipe };
}

parentPort?.on("message", ({ id, bits, stream }: DrawAsk) => {
  const { random, wipe } = bytesOf(stream);
  const pair = drawRsaKey({ bits, exponent: 3, random });
  wipe();
  const { p, q, dp, dq, qInverse } = pair.privateKey;
  const answer: DrawAnswer = { id, pair };
  // Handed over, not copied: nothing of the key stays in this thread's own memory.
  const memories = [p, q, dp, dq, qInverse].map(({ buffer }) => buffer);
  parentPort?.postMessage(
    answer,
    memories.filter((memory) => memory instanceof ArrayBuffer),
  );
});
