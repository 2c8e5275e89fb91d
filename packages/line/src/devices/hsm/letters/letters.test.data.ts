/** What a letter printer prints, read back from the batch as a PDF reader does: by glyphs and what the file says they mean. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openLetters } from "../letter.js";
import { machineIn } from "../machine.test.data.js";

/** Lines of one page, each with its end. */
export function pagesOf(pdf: Uint8Array): string[] {
  const text = Buffer.from(pdf).toString("latin1");
  const characters = new Map(
    [...text.matchAll(/^<([0-9a-f]{4})> <([0-9a-f]+)>$/gm)].map(([, glyph = "", utf16 = ""]) => [
      glyph,
      Buffer.from(utf16, "hex").swap16().toString("utf16le"),
    ]),
  );
  return [...text.matchAll(/stream\n(BT [^]*?)endstream/g)].map(([, content = ""]) =>
    content.replaceAll(/.*\n/g, (line) => {
      const glyphs = [...line.matchAll(/<([0-9a-f]+)>/g)].flatMap(([, hex = ""]) => hex.match(/.{4}/g) ?? []);
      return `${glyphs.map((glyph) => characters.get(glyph) ?? "?").join("")}\n`;
    }),
  );
}

export const pinIn = (text = ""): string => /^Your PIN: (\d+)$/m.exec(text)?.[1] ?? "";

/** Pages of one batch. */
export const printed = (printerKey: string, file: string): string[] =>
  pagesOf(openLetters(machineIn(printerKey), readFileSync(file, "utf8")).content);

/** By letter's number, in their order: all that lies in a folder of batches and those in it. */
export function printedIn(printerKey: string, folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".letters"))
    .toSorted();
  const pages = files.flatMap((name) => printed(printerKey, join(folder, name)));
  return new Map(pages.map((text) => [/^Letter (\S+)$/m.exec(text)?.[1] ?? "", text]));
}
