/** A printer's job as documents that any printer's software takes. */
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import type { MarkJob, PrintedSide } from "../port.js";

export type PrintJob = Extract<MarkJob, { kind: "colour" }>;

/** Dye sublimation and retransfer take this long for a side, ms: a figure for planning, no promise of a machine. */
const sideMs = 14_000;
const handlingMs = 6_000;

export const printingMs = (job: PrintJob): number => handlingMs + job.sides.length * sideMs;

/** RGB over white: where nothing is printed a printer gets white, for which it moves no dye. */
function onWhite({ pixels, width, height }: PrintedSide): Buffer {
  const rgb = Buffer.alloc(3 * width * height);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const white = 255 - (pixels[from + 3] ?? 0);
    for (let band = 0; band < 3; band++) rgb[to + band] = (pixels[from + band] ?? 0) + white;
  }
  return rgb;
}

/** One side as PNG with its resolution. */
export const sidePng = async (side: PrintedSide): Promise<Uint8Array> =>
  sharp(onWhite(side), { raw: { width: side.width, height: side.height, channels: 3 } })
    .withMetadata({ density: side.dpi })
    .png()
    .toBuffer();

/**
 * A PDF of a page a side, as large as the card with its bleed: every dot of the picture is one of the printer at the picture's resolution.
 * TrimBox is the card, BleedBox the whole page (ISO 32000-1, 14.11.2).
 */
export function printPdf({ sides }: PrintJob): Uint8Array {
  const objects: Buffer[] = [];
  const add = (text: string, stream?: Uint8Array): number => {
    const body = stream === undefined ? [] : [Buffer.from("\nstream\n"), stream, Buffer.from("\nendstream")];
    objects.push(Buffer.concat([Buffer.from(text), ...body]));
    return objects.length;
  };
  const [catalog, pages] = [add("<< /Type /Catalog /Pages 2 0 R >>"), add("")];
  const kids = sides.map((side) => {
    const points = (dots: number): string => ((72 * dots) / side.dpi).toFixed(4);
    const packed = deflateSync(onWhite(side), { level: 6 });
    const image = add(
      `<< /Type /XObject /Subtype /Image /Width ${String(side.width)} /Height ${String(side.height)} /ColorSpace /DeviceRGB ` +
        `/BitsPerComponent 8 /Filter /FlateDecode /Length ${String(packed.length)} >>`,
      packed,
    );
    const draw = Buffer.from(`q ${points(side.width)} 0 0 ${points(side.height)} 0 0 cm /Card Do Q`);
    const content = add(`<< /Length ${String(draw.length)} >>`, draw);
    const page = `[0 0 ${points(side.width)} ${points(side.height)}]`;
    const [low, right, top] = [side.bleed, side.width - side.bleed, side.height - side.bleed].map(points);
    const trim = `[${low ?? ""} ${low ?? ""} ${right ?? ""} ${top ?? ""}]`;
    return add(
      `<< /Type /Page /Parent ${String(pages)} 0 R /MediaBox ${page} /BleedBox ${page} /TrimBox ${trim} ` +
        `/Resources << /XObject << /Card ${String(image)} 0 R >> >> /Contents ${String(content)} 0 R >>`,
    );
  });
  objects[pages - 1] = Buffer.from(
    `<< /Type /Pages /Count ${String(kids.length)} /Kids [${kids.map((kid) => `${String(kid)} 0 R`).join(" ")}] >>`,
  );
  const parts = [Buffer.from("%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n", "latin1")];
  let length = parts[0]?.length ?? 0;
  const offsets = objects.map((object, i) => {
    const part = Buffer.concat([Buffer.from(`${String(i + 1)} 0 obj\n`), object, Buffer.from("\nendobj\n")]);
    const at = length;
    length += part.length;
    parts.push(part);
    return at;
  });
  const count = String(objects.length + 1);
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  const trailer = `trailer\n<< /Size ${count} /Root ${String(catalog)} 0 R >>\nstartxref\n${String(length)}\n%%EOF\n`;
  parts.push(Buffer.from(`xref\n0 ${count}\n0000000000 65535 f \n${table}${trailer}`));
  return new Uint8Array(Buffer.concat(parts));
}
