/** What the printer puts on a card: the layer colour in RGB. */
import { Resvg } from "@resvg/resvg-js";
import type { Face, PlacedElement } from "../placed.js";
import { drawElement } from "./draw.js";
import { dotsAt } from "./raster.js";
import { pictureRgb } from "./tones.js";

export interface ColourPicture {
  readonly side: "front" | "back";
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  /** RGBA, premultiplied; transparent where nothing is printed. */
  readonly pixels: Uint8Array;
}

const kept = new Map<string, Uint8Array>();
const mostKept = 4;
const palette = { mark: "#000000", clear: "#ffffff" };
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

function drawn(fragment: string, dpi: number): Uint8Array {
  const { width, height } = dotsAt(dpi);
  const dot = 25.4 / dpi;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" ` +
    `viewBox="0 0 ${(width * dot).toFixed(6)} ${(height * dot).toFixed(6)}">${fragment}</svg>`;
  return new Resvg(svg, { font: { loadSystemFonts: false } }).render().pixels;
}

async function commonPixels({ key, elements }: Face["common"], dpi: number): Promise<Uint8Array> {
  const name = `${String(dpi)} ${key}`;
  const known = kept.get(name);
  if (known !== undefined) return known;
  const colour = elements.filter(({ layer }) => layer === "colour");
  const pixels = drawn(colour.map((element) => drawElement(element, palette)).join(""), dpi);
  await turn();
  const [oldest] = kept.keys();
  if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
  kept.set(name, pixels);
  return pixels;
}

/** Lays one premultiplied picture over another. */
function over(under: Uint8Array, top: Uint8Array): void {
  for (let i = 0; i < top.length; i += 4) {
    const alpha = top[i + 3] ?? 0;
    if (alpha === 0) continue;
    const rest = 255 - alpha;
    for (let band = i; band < i + 4; band++)
      under[band] = (top[band] ?? 0) + (rest === 0 ? 0 : Math.round(((under[band] ?? 0) * rest) / 255));
  }
}

/** A side as the printer gets it. What the cards share is drawn once and kept. Throws LayoutProblem "photo-broken". */
export async function renderColour(face: Face, dpi: 300 | 600): Promise<ColourPicture> {
  const { width, height } = dotsAt(dpi);
  const pixels = Uint8Array.from(await commonPixels(face.common, dpi));
  const own = face.own.filter(({ layer }) => layer === "colour");
  const vectors: PlacedElement[] = [];
  for (const element of own) {
    if (element.kind !== "image") {
      vectors.push(element);
      continue;
    }
    const dots = (mm: number): number => Math.round((mm / 25.4) * dpi);
    const { box } = element;
    const window = { left: dots(box.x), top: dots(box.y), width: dots(box.width), height: dots(box.height) };
    const data = await pictureRgb(element, window.width, window.height);
    const bands = data.length / (window.width * window.height);
    for (let row = 0; row < window.height; row++)
      for (let column = 0; column < window.width; column++) {
        const [x, y] = [window.left + column, window.top + row];
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        const from = (row * window.width + column) * bands;
        const to = 4 * (y * width + x);
        for (let band = 0; band < 3; band++) pixels[to + band] = data[from + (bands === 1 ? 0 : band)] ?? 0;
        pixels[to + 3] = 255;
      }
  }
  if (vectors.length > 0) {
    over(pixels, drawn(vectors.map((element) => drawElement(element, palette)).join(""), dpi));
    await turn();
  }
  return { side: face.side, dpi, width, height, pixels };
}
