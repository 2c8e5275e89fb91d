/** JSON in which no object has a key twice: JSON.parse lets the last one win, and of two values nobody could say which was meant. */
import { IssuerDataProblem } from "./problem.js";

/** Throws IssuerDataProblem; "JSON in UTF-8" is what the caller promised for bytes that are none. */
export function strictJson(where: string, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text) as unknown;
  } catch {
    throw new IssuerDataProblem(where, "this is not JSON in UTF-8");
  }
  const left = keysIn(text);
  for (const key of keysOf(value)) left.set(key, (left.get(key) ?? 0) - 1);
  for (const [key, count] of left)
    if (count > 0)
      throw new IssuerDataProblem(
        where,
        `key "${key.slice(0, 40)}" is there twice in one object: the issuer must say which of the two is meant`,
      );
  return value;
}

/** How often each key is written. In a text that is JSON a quotation mark begins or ends a string, and only keys stand before a colon. */
function keysIn(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, token, colon] of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?/g)) {
    if (token === undefined || colon === undefined) continue;
    const key = JSON.parse(token) as string;
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}

/** The keys of all objects within. */
function* keysOf(value: unknown): Generator<string> {
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one !== "object" || one === null) continue;
    if (!Array.isArray(one)) yield* Object.keys(one);
    for (const inner of Object.values(one)) left.push(inner);
  }
}
