import type { Mode } from "./channel.js";
import type { Application, FileHeader } from "./store.js";

const free = 0xe;

/** The four rights of a file: key number 0 to 13, 14 anyone, 15 nobody. */
export function rightsOf(file: FileHeader): Record<"read" | "write" | "readWrite" | "change", number> {
  const [first, second] = file.access;
  return { readWrite: first >> 4, change: first & 0xf, read: second >> 4, write: second & 0xf };
}

/**
 * How a file's data travel for whoever asks, or undefined when one of `rights` must be had and none is: by key in the file's own mode,
 * by everybody's right in clear.
 */
export function modeFor(
  file: FileHeader,
  rights: readonly number[],
  key: number | undefined,
): 0 | 1 | 3 | undefined {
  if (key !== undefined && rights.includes(key)) return file.comm === 3 ? 3 : file.comm === 1 ? 1 : 0;
  return rights.includes(free) ? 0 : undefined;
}

/** Key settings: bit 0 master key changeable, 1 directory free, 2 create and delete free, 3 settings changeable, 4 to 7 who changes keys. */
export function allows(settings: number, what: "masterKey" | "directory" | "create" | "settings"): boolean {
  const bit = { masterKey: 1, directory: 2, create: 4, settings: 8 }[what];
  return (settings & bit) !== 0;
}

/** Whether the session's key may change key `number` of an application. */
export function mayChangeKey(application: Application, number: number, session: number): boolean {
  if (number === 0) return session === 0 && allows(application.settings, "masterKey");
  const who = application.settings >> 4;
  if (who === 0xf) return false;
  return who === 0xe ? session === number : session === who;
}

export const own: Mode = "own";
