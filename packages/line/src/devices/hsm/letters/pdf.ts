/**
 * A batch of letters as PDF 1.4 (ISO 32000-1). Written here and not by a library: libraries take texts, and a PIN must not become one. All of
 * the file is one piece of memory that never moves, so that its owner can wipe it; pages are not compressed, for a compressor keeps copies.
 */
import { deflateSync } from "node:zlib";
import { unmoved } from "@persoline/card/bytes";
import { type EmbeddedFont, fontOfBatch } from "./font.js";
import { lengthOf, type Page, type PageContent, pageContent, paper, writeDigits } from "./page.js";

export interface Batch {
  readonly batch: string;
  readonly order: string;
  /** One page each, in this order. */
  readonly letters: readonly Page[];
}

type Part = string | Uint8Array | PageContent;
const FIRST_PAGE = 8;

/** The caller wipes the result, and the digits. */
export function lettersPdf({ batch, order, letters }: Batch): Uint8Array {
  const font = fontOfBatch();
  const of = letters.length;
  const pages = letters.map((letter, at) => pageContent(font, letter, { batch, order, page: at + 1, of }));
  const pageNumber = (at: number): number => FIRST_PAGE + 2 * at;
  const objects: Part[][] = [
    ["<< /Type /Catalog /Pages 2 0 R >>"],
    [
      `<< /Type /Pages /Count ${String(of)} /Kids [${pages.map((_, at) => `${String(pageNumber(at))} 0 R`).join(" ")}] >>`,
    ],
    ...fontObjects(font.embedded()),
    ...pages.flatMap((content, at): Part[][] => [
      [
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${String(paper.width)} ${String(paper.height)}] /Resources << /Font << /F 3 0 R >> >> /Contents ${String(pageNumber(at) + 1)} 0 R >>`,
      ],
      [`<< /Length ${String(lengthOf(content))} >>\nstream\n`, content, "endstream"],
    ]),
  ];
  return written(objects);
}

/** Objects 3 to 7: a font of two-byte glyph numbers (ISO 32000-1, 9.7), and what each glyph means to who searches or copies. */
function fontObjects({ file, widths, characters, ascent, descent, box }: EmbeddedFont): Part[][] {
  const name = "/AAAAAA+DejaVuSans";
  const packed = new Uint8Array(deflateSync(file));
  const unicode = unicodeMap(characters);
  return [
    [
      `<< /Type /Font /Subtype /Type0 /BaseFont ${name} /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 7 0 R >>`,
    ],
    [
      `<< /Type /Font /Subtype /CIDFontType2 /BaseFont ${name} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 5 0 R /CIDToGIDMap /Identity /W [0 [${widths.join(" ")}]] >>`,
    ],
    [
      `<< /Type /FontDescriptor /FontName ${name} /Flags 4 /FontBBox [${box.join(" ")}] /ItalicAngle 0 /Ascent ${String(ascent)} /Descent ${String(descent)} /CapHeight ${String(ascent)} /StemV 80 /FontFile2 6 0 R >>`,
    ],
    [
      `<< /Filter /FlateDecode /Length ${String(packed.length)} /Length1 ${String(file.length)} >>\nstream\n`,
      packed,
      "\nendstream",
    ],
    [`<< /Length ${String(unicode.length)} >>\nstream\n${unicode}\nendstream`],
  ];
}

/** ISO 32000-1, 9.10.3; at most 100 characters in a block. */
function unicodeMap(characters: readonly string[]): string {
  const known = characters.flatMap((text, glyph) =>
    text === ""
      ? []
      : [
          `<${glyph.toString(16).padStart(4, "0")}> <${Buffer.from(text, "utf16le").swap16().toString("hex")}>`,
        ],
  );
  const blocks: string[] = [];
  for (let from = 0; from < known.length; from += 100) {
    const some = known.slice(from, from + 100);
    blocks.push(`${String(some.length)} beginbfchar\n${some.join("\n")}\nendbfchar`);
  }
  return [
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
    "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
    "1 begincodespacerange\n<0000> <ffff>\nendcodespacerange",
    ...blocks,
    "endcmap CMapName currentdict /CMap defineresource pop end end",
  ].join("\n");
}

const size = (part: Part): number =>
  typeof part === "string" || part instanceof Uint8Array ? part.length : lengthOf(part);

function written(objects: readonly Part[][]): Uint8Array {
  const parts: Part[] = ["%PDF-1.4\n"];
  let length = size(parts[0] ?? "");
  const offsets: number[] = [];
  const add = (part: Part): void => {
    parts.push(part);
    length += size(part);
  };
  for (const [at, object] of objects.entries()) {
    offsets.push(length);
    add(`${String(at + 1)} 0 obj\n`);
    for (const part of object) add(part);
    add("\nendobj\n");
  }
  const count = String(objects.length + 1);
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  add(
    `xref\n0 ${count}\n0000000000 65535 f \n${table}trailer\n<< /Size ${count} /Root 1 0 R >>\nstartxref\n${String(length)}\n%%EOF\n`,
  );
  const file = unmoved(length);
  let at = 0;
  const put = (part: string | Uint8Array): void => {
    if (typeof part === "string") for (let i = 0; i < part.length; i++) file[at + i] = part.charCodeAt(i);
    else file.set(part, at);
    at += part.length;
  };
  for (const part of parts) {
    if (typeof part === "string" || part instanceof Uint8Array) {
      put(part);
      continue;
    }
    put(part.before);
    writeDigits(file, at, part.digits);
    at += lengthOf(part) - part.before.length - part.after.length;
    put(part.after);
  }
  return file;
}
