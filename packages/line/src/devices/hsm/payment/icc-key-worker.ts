/** Draws RSA pairs for cards beside the module's own thread: a pair takes tens of milliseconds, and no card may wait for it. */
import { createCipheriv } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { seededBytes } from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto } from "@persoline/card/node";
import type { DrawAnswer, DrawAsk, Stream } from "./icc-keys.js";

/** Bytes for primes: of a test seed, or AES-256-CTR under 48 fresh bytes of the module's watched generator (key ‖ first counter). */
function bytesOf(stream: Stream): (length: number) => Uint8Array {
  if ("seed" in stream) return seededBytes(nodeCrypto, stream.seed);
  const { secret } = stream;
  const cipher = createCipheriv("aes-256-ctr", secret.subarray(0, 32), secret.subarray(32));
  secret.fill(0);
  return (length) => new Uint8Array(cipher.update(new Uint8Array(length)));
}

parentPort?.on("message", ({ id, bits, stream }: DrawAsk) => {
  const pair = drawRsaKey({ bits, exponent: 3, random: bytesOf(stream) });
  const { p, q, dp, dq, qInverse } = pair.privateKey;
  const answer: DrawAnswer = { id, pair };
  // Handed over, not copied: nothing of the key stays in this thread's own memory.
  const memories = [p, q, dp, dq, qInverse].map(({ buffer }) => buffer);
  parentPort?.postMessage(
    answer,
    memories.filter((memory) => memory instanceof ArrayBuffer),
  );
});
