/** PDF with a page as large as the card: letters, shapes and codes as filled paths, photos and signatures as one-bit pictures; black burns. */
import { card, type Outline, outlinesOf, pdfDocument, points } from "../layout/index.js";
import { engraved, type Face } from "../placed.js";
import type { LaserJob } from "./job.js";

/** Operators in mm from the upper left corner: the page's matrix is turned over. */
function pathOf({ commands }: Outline): string {
  const n = (value: number): string => String(Number(value.toFixed(5)));
  let [x, y] = [0, 0];
  const parts = commands.map((command) => {
    if (command.to === "Z") return "h";
    const { x: toX, y: toY } = command;
    const third = (from: number, pull: number): string => n(from + (2 / 3) * (pull - from));
    const text =
      command.to === "C"
        ? `${n(command.x1)} ${n(command.y1)} ${n(command.x2)} ${n(command.y2)} ${n(toX)} ${n(toY)} c`
        : command.to === "Q"
          ? `${third(x, command.x1)} ${third(y, command.y1)} ${third(toX, command.x1)} ${third(toY, command.y1)} ${n(toX)} ${n(toY)} c`
          : `${n(toX)} ${n(toY)} ${command.to === "M" ? "m" : "l"}`;
    [x, y] = [toX, toY];
    return text;
  });
  return parts.join("\n");
}

export function pdf(face: Face, job: LaserJob): Uint8Array {
  const elements = [...face.common.elements, ...face.own].filter(({ layer }) => engraved.includes(layer));
  const perMm = 72 / 25.4;
  const draw = [`${String(perMm)} 0 0 ${String(-perMm)} 0 ${points(card.height)} cm`, "1 j 1 J"];
  for (const outline of outlinesOf(elements)) {
    const ink = outline.clear ? "1" : "0";
    // Colour and width stand before a path, the painting behind it.
    if (outline.stroke === undefined)
      draw.push(`${ink} g`, pathOf(outline), outline.rule === "evenodd" ? "f*" : "f");
    else draw.push(`${ink} G ${String(outline.stroke)} w`, pathOf(outline), "S");
  }
  const images = Object.fromEntries(
    job.pictures.map(({ width, height, dots }, i) => {
      const stride = Math.ceil(width / 8);
      const bytes = new Uint8Array(stride * height);
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++)
          if (dots[row * width + column] === 1) {
            const at = row * stride + (column >> 3);
            bytes[at] = (bytes[at] ?? 0) | (0x80 >> (column & 7));
          }
      const head = `/Width ${String(width)} /Height ${String(height)} /ImageMask true /BitsPerComponent 1 /Decode [1 0]`;
      return [`P${String(i)}`, { head, bytes }];
    }),
  );
  for (const [i, { dpi, left, top, width, height }] of job.pictures.entries()) {
    const mm = (dots: number): string => ((dots / dpi) * 25.4).toFixed(5);
    // A picture's own up is the page's down here.
    draw.push(`q 0 g ${mm(width)} 0 0 -${mm(height)} ${mm(left)} ${mm(top + height)} cm /P${String(i)} Do Q`);
  }
  return pdfDocument(card, [{ draw: draw.join("\n"), images }]);
}
