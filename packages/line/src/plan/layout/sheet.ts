/** Both sides of a card on one sheet, as SVG, PNG or PDF. */
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import { card, mm } from "./art.js";
import { word } from "./guides.js";
import { pdfDocument, points } from "./pdf.js";
import type { Fonts } from "./fonts.js";

export interface SheetSide {
  readonly side: "front" | "back";
  /** Fragment of picture.ts. */
  readonly picture: string;
}

const margin = 6;
const between = 5;

/** A sheet in millimetres with the sides beside each other on a light ground, each with a soft shadow. `caption`: what it shows. */
export function sheetSvg(sides: readonly SheetSide[], caption: string | undefined, fonts: Fonts): string {
  const room = caption === undefined ? 0 : 5;
  const width = 2 * margin + sides.length * card.width + (sides.length - 1) * between;
  const height = 2 * margin + card.height + room;
  const placed = sides.map(({ picture }, i) => {
    const x = margin + i * (card.width + between);
    return (
      `<g transform="translate(${mm(x)} ${mm(margin)})">` +
      `<rect x="0.4" y="1" width="${mm(card.width - 0.8)}" height="${mm(card.height - 0.6)}" rx="${mm(card.radius)}" fill="#1d2733" opacity="0.34" filter="url(#shadow)"/>` +
      `${picture}</g>`
    );
  });
  const words =
    caption === undefined
      ? ""
      : word(caption, { x: margin, y: height - margin + 1.6, size: 2.3, colour: "#5b6670" }, fonts);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${mm(width)}mm" height="${mm(height)}mm" viewBox="0 0 ${mm(width)} ${mm(height)}">` +
    `<defs><filter id="shadow" x="-10%" y="-10%" width="120%" height="130%"><feGaussianBlur stdDeviation="1.3"/></filter></defs>` +
    `<rect width="100%" height="100%" fill="#eef0f1"/>${placed.join("")}${words}</svg>\n`
  );
}

/** The drawing at so many dots an inch. PNG. */
export async function sheetPng(svg: string, dpi: number): Promise<Uint8Array> {
  const inches = Number(/width="([\d.]+)mm"/.exec(svg)?.[1] ?? "100") / 25.4;
  const image = new Resvg(svg, {
    fitTo: { mode: "width", value: Math.round(inches * dpi) },
    font: { loadSystemFonts: false },
  }).render();
  return sharp(image.pixels, { raw: { width: image.width, height: image.height, channels: 4 } })
    .removeAlpha()
    .withMetadata({ density: dpi })
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/** A page of its own, as large as the card, for each side, drawn at so many dots an inch. PDF 1.4. */
export function sheetPdf(sides: readonly SheetSide[], dpi: number): Uint8Array {
  return pdfDocument(
    { width: card.width, height: card.height },
    sides.map(({ picture }) => {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${mm(card.width)}" height="${mm(card.height)}" viewBox="0 0 ${mm(card.width)} ${mm(card.height)}">${picture}</svg>`;
      const image = new Resvg(svg, {
        fitTo: { mode: "width", value: Math.round((card.width / 25.4) * dpi) },
        background: "#ffffff",
        font: { loadSystemFonts: false },
      }).render();
      const rgb = Buffer.alloc(image.width * image.height * 3);
      const { pixels } = image;
      for (let i = 0; i < image.width * image.height; i++) {
        rgb[3 * i] = pixels[4 * i] ?? 0;
        rgb[3 * i + 1] = pixels[4 * i + 1] ?? 0;
        rgb[3 * i + 2] = pixels[4 * i + 2] ?? 0;
      }
      return {
        draw: `q ${points(card.width)} 0 0 ${points(card.height)} 0 0 cm /Card Do Q`,
        images: {
          Card: {
            head: `/Width ${String(image.width)} /Height ${String(image.height)} /ColorSpace /DeviceRGB /BitsPerComponent 8`,
            bytes: rgb,
          },
        },
      };
    }),
  );
}
