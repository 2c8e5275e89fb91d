/** What leak drills search for, and where. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";

/** In the forms that a program might write them down. */
export const forms = (bytes: Uint8Array): Buffer[] => {
  const raw = Buffer.from(bytes);
  const hex = raw.toString("hex");
  const texts = [hex, hex.toUpperCase(), raw.toString("base64"), [...bytes].join(",")];
  return [raw, ...texts.flatMap((text) => [Buffer.from(text), Buffer.from(text, "utf16le")])];
};

/** Names of the needles that are in there. */
export const found = (content: Buffer, needles: ReadonlyMap<string, readonly Buffer[]>): string[] =>
  [...needles].flatMap(([name, all]) => (all.some((one) => content.includes(one)) ? [name] : []));

export const children = (pid: number): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
export const argumentsOf = (pid: number): Buffer => readFileSync(`/proc/${String(pid)}/cmdline`);

/** Which needles are in a process's readable memory. */
export function inMemory(pid: number, needles: ReadonlyMap<string, readonly Buffer[]>): Set<string> {
  const hits = new Set<string>();
  const memory = openSync(`/proc/${String(pid)}/mem`, "r");
  const piece = Buffer.alloc(4 << 20);
  try {
    for (const line of readFileSync(`/proc/${String(pid)}/maps`, "utf8").split("\n")) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      const end = Number.parseInt(to, 16);
      // Pieces overlap by the longest needle.
      for (let at = Number.parseInt(from, 16); at < end; at += piece.length - 256) {
        let length: number;
        try {
          length = readSync(memory, piece, 0, Math.min(piece.length, end - at), at);
        } catch {
          // A page that is not there, or went in between.
          continue;
        }
        for (const name of found(piece.subarray(0, length), needles)) hits.add(name);
      }
    }
  } finally {
    closeSync(memory);
  }
  return hits;
}

/** Everything under a folder, the cards themselves apart. */
export function filesUnder(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = join(path, entry.name);
    if (entry.name === "shop-floor") return [];
    return entry.isDirectory() ? filesUnder(inner) : [inner];
  });
}
