// What tests of this package share: outside vectors, and how a call ends.
import { readFileSync } from "node:fs";
import { CardProblem, type CardProblemCode } from "../src/bytes/index.js";

/** All vectors of `vectors/<topic>.json`; throws unless the file holds as many as it says. */
export function vectorsOf<T>(topic: string): readonly (T & { readonly id: string })[] {
  const file = new URL(`../vectors/${topic}.json`, import.meta.url);
  const { count, vectors } = JSON.parse(readFileSync(file, "utf8")) as {
    readonly count: number;
    readonly vectors: readonly (T & { readonly id: string })[];
  };
  if (vectors.length !== count) throw new Error(`${topic}: ${vectors.length} vectors instead of ${count}`);
  return vectors;
}

/** The code of the CardProblem that a call throws, "none" when it ends well; anything else thrown is thrown on. */
export function codeOf(work: () => unknown): CardProblemCode | "none" {
  try {
    work();
  } catch (error) {
    if (error instanceof CardProblem) return error.code;
    throw error;
  }
  return "none";
}

/** What a call gives, or undefined when it is refused by a CardProblem; anything else thrown is thrown on. */
export function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof CardProblem) return undefined;
    throw error;
  }
}
