import { wheels } from "@persoline/card/id1";
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import type { EmbossLine } from "../types.js";
import { card, mm } from "./art.js";
import type { Fonts } from "./fonts.js";
import type { FaceRaster } from "./raster.js";

/** Contacts as on a module of 13 × 11.8 mm around C1..C8 (ISO/IEC 7816-2), mm. */
function contacts(): string {
  const rows = [18.85, 21.45, 24.05, 26.65];
  const pads = rows
    .flatMap((y) => [
      `<rect x="9.9" y="${mm(y)}" width="3.6" height="2.35" rx="0.3"/>`,
      `<rect x="16.6" y="${mm(y)}" width="3.6" height="2.35" rx="0.3"/>`,
    ])
    .join("");
  return (
    `<rect x="9.6" y="18.5" width="10.9" height="10.85" rx="1.4" fill="#8f7632"/>` +
    `<g fill="#d9b961" stroke="#8f7632" stroke-width="0.12">${pads}<rect x="13.75" y="18.85" width="2.6" height="10.15" rx="0.3"/></g>`
  );
}

function raised(lines: readonly EmbossLine[], fonts: Fonts): string {
  const font = fonts["OCR-B"];
  return lines
    .map((line) => {
      const { height } = wheels[line.font];
      const size = height / font.capHeight;
      const scale = size / font.unitsPerEm;
      const baseline = card.height - line.yFromBottom + height / 2;
      const glyphs = Array.from(line.text)
        .map((char, i) => {
          const [glyph] = font.set(char).glyphs;
          if (glyph?.ink === undefined) return "";
          const x = line.x + i * line.pitch - ((glyph.ink.left + glyph.ink.right) / 2) * size;
          const at = (dx: number, dy: number): string =>
            `matrix(${scale.toFixed(8)} 0 0 ${(-scale).toFixed(8)} ${mm(x + dx)} ${mm(baseline + dy)})`;
          return (
            `<path transform="${at(0.12, 0.12)}" fill="#00000038" d="${glyph.outline}"/>` +
            `<path transform="${at(-0.07, -0.07)}" fill="#ffffff" d="${glyph.outline}"/>` +
            `<path transform="${at(0, 0)}" fill="#c9ccc8" d="${glyph.outline}"/>`
          );
        })
        .join("");
      return glyphs;
    })
    .join("");
}

export interface PreviewOptions {
  /** Draws the contact module. */
  readonly chip?: boolean;
  readonly emboss?: { readonly lines: readonly EmbossLine[]; readonly fonts: Fonts };
}

/** The card as it will look: light body, dark engraving, contacts and raised characters. PNG with transparent corners. */
export async function renderPreview(raster: FaceRaster, options: PreviewOptions = {}): Promise<Uint8Array> {
  const { width, height } = raster;
  const view = `width="${String(width)}" height="${String(height)}" viewBox="0 0 ${mm(card.width)} ${mm(card.height)}"`;
  const body =
    `<svg xmlns="http://www.w3.org/2000/svg" ${view}><defs><linearGradient id="b" x1="0" y1="0" x2="1" y2="1">` +
    `<stop offset="0" stop-color="#fbfbf8"/><stop offset="1" stop-color="#e9ebe6"/></linearGradient></defs>` +
    `<rect x="0.05" y="0.05" width="85.5" height="53.88" rx="${mm(card.radius)}" fill="url(#b)" stroke="#c2c6c0" stroke-width="0.1"/></svg>`;
  const ink = Buffer.alloc(width * height * 4);
  const stride = Math.ceil(width / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (((raster.bits[y * stride + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) === 0) continue;
      ink.set([0x33, 0x2f, 0x2c, 0xff], 4 * (y * width + x));
    }
  }
  const over =
    `<svg xmlns="http://www.w3.org/2000/svg" ${view}>${options.chip === true ? contacts() : ""}` +
    `${options.emboss === undefined ? "" : raised(options.emboss.lines, options.emboss.fonts)}</svg>`;
  const png = (svg: string): Buffer => new Resvg(svg, { font: { loadSystemFonts: false } }).render().asPng();
  return sharp(png(body))
    .composite([{ input: ink, raw: { width, height, channels: 4 } }, { input: png(over) }])
    .png({ compressionLevel: 9, palette: true, colours: 64 })
    .toBuffer();
}

/** Many previews on one sheet, so many across; each `across` pictures make a row. PNG. */
export async function contactSheet(
  previews: readonly Uint8Array[],
  options: { readonly across: number; readonly width: number },
): Promise<Uint8Array> {
  const gap = Math.round(options.width * 0.04);
  const height = Math.round((options.width * card.height) / card.width);
  const rows = Math.ceil(previews.length / options.across);
  const small = await Promise.all(
    previews.map((png) => sharp(png).resize(options.width, height, { fit: "fill" }).png().toBuffer()),
  );
  const sheet = {
    width: options.across * (options.width + gap) + gap,
    height: rows * (height + gap) + gap,
    channels: 3 as const,
    background: "#f4f4f1",
  };
  return sharp({ create: sheet })
    .composite(
      small.map((input, i) => ({
        input,
        left: gap + (i % options.across) * (options.width + gap),
        top: gap + Math.floor(i / options.across) * (height + gap),
      })),
    )
    .png({ palette: true })
    .toBuffer();
}
