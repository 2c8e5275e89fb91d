/** A judged side to look at: what must be on the card beside what the camera saw, each field in green or red. */
import { fileURLToPath } from "node:url";
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import type { EmbossLine, Face } from "../../plan/types.js";
import { type Dots, judgedAt } from "./density.js";
import type { FaceFinding, FaceVerdict } from "./finding.js";
import type { ExpectedGround } from "./light.js";
import type { Plane } from "./plane.js";
import type { Grey } from "./straighten.js";
import { drawRelief } from "./relief.js";

const perMm = 300 / 25.4;
const font = new URL("../../../fonts/Inter-SemiBold.otf", import.meta.url);
const colours = { pass: "#1a9850", doubtful: "#e08a00", reject: "#d7191c" } as const;

const words = ({ what, measured, limit, unit }: FaceFinding): string => {
  const value = unit === "share" ? `${(measured * 100).toFixed(0)} %` : `${measured.toFixed(2)} ${unit}`;
  return unit === "count" || limit === 1 ? what : `${what} ${value}`;
};

/** What is on the side besides the engraver's dots. */
export interface ShownBesides {
  /** Printed on all cards of the layout, and for this record alone. */
  readonly ground?: ExpectedGround | undefined;
  readonly printed?: ExpectedGround | undefined;
  readonly raised?: readonly EmbossLine[] | undefined;
}

/** At the resolution of judging, whatever the engraver's dots are. */
function expectedGrey(
  dots: Dots,
  side: Face["side"],
  { ground, printed, raised = [] }: ShownBesides,
): { readonly width: number; readonly height: number; readonly grey: Uint8Array } {
  const fine = Math.max(1, Math.round(dots.dpi / judgedAt));
  const [width, height] = [Math.floor(dots.width / fine), Math.floor(dots.height / fine)];
  const stride = Math.ceil(dots.width / 8);
  const grey = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let marks = 0;
      for (let j = y * fine; j < (y + 1) * fine; j++)
        for (let i = x * fine; i < (x + 1) * fine; i++)
          marks += ((dots.bits[j * stride + (i >> 3)] ?? 0) >> (7 - (i & 7))) & 1;
      const at = y * width + x;
      const light = (235 * (ground?.grey[at] ?? 255) * (printed?.grey[at] ?? 255)) / (255 * 255);
      grey[at] = light + ((42 - light) * marks) / (fine * fine);
    }
  }
  const picture = { width, height, grey };
  drawRelief(picture, side, raised);
  return picture;
}

/** Boxes and labels as SVG in dots. */
function marks(face: Face, { findings, measures, verdict }: FaceVerdict, left: number, top: number): string {
  const box = (at: FaceFinding["box"], colour: string, wide: number): string =>
    `<rect x="${(left + at.x * perMm).toFixed(1)}" y="${(top + at.y * perMm).toFixed(1)}" width="${(at.width * perMm).toFixed(1)}" height="${(at.height * perMm).toFixed(1)}" fill="none" stroke="${colour}" stroke-width="${String(wide)}"/>`;
  const wrong = new Set(findings.map(({ field }) => field));
  const fields = face.fields
    .filter(({ name, kind }) => kind !== "art" && measures.some(({ field }) => field === name))
    .map((field) => box(field.box, wrong.has(field.name) ? colours.reject : colours.pass, 2));
  const named = new Set<string>();
  const labels = findings.flatMap((finding) => {
    const key = `${finding.field} ${finding.what}`;
    const drawn = [box(finding.box, finding.weight === "reject" ? colours.reject : colours.doubtful, 3)];
    if (named.has(key) || named.size > 11) return drawn;
    named.add(key);
    const y = top + finding.box.y * perMm + 18 + ((named.size * 19) % 60);
    const x = left + Math.min(finding.box.x * perMm, 760);
    return [
      ...drawn,
      `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" font-family="Inter" font-size="17" fill="${colours.reject}" stroke="#fff" stroke-width="4" paint-order="stroke">${finding.field}: ${words(finding)}</text>`,
    ];
  });
  const head =
    `<text x="20" y="34" font-family="Inter" font-size="24" fill="#222">expected, ${face.side}</text>` +
    `<text x="${String(left)}" y="34" font-family="Inter" font-size="24" fill="${colours[verdict]}">${verdict}, ${String(findings.length)} findings</text>`;
  return [head, ...fields, ...labels].join("");
}

/** The straightened card as an 8-bit picture. */
export const greyOf = ({ width, height, data }: Plane): Grey => ({
  width,
  height,
  grey: Uint8Array.from(data, (value) => Math.min(255, Math.max(0, Math.round(value)))),
});

const asText = (words: string): string =>
  words
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/\p{Cc}/gu, " ");

/** Lines of text under the straightened card. */
const lineHeight = 26;
const told = (notes: readonly string[], left: number, top: number): string =>
  notes
    .map(
      (note, at) =>
        `<text x="${String(left)}" y="${String(top + (at + 1) * lineHeight - 6)}" font-family="Inter" font-size="19" fill="#222">${asText(note)}</text>`,
    )
    .join("");

/**
 * PNG. `straight`: the straightened card, or undefined when none was found; then only the expected side is shown. `notes`: lines to stand
 * below it.
 */
export async function overlayPicture(
  face: Face,
  dots: Dots,
  besides: ShownBesides,
  straight: Grey | undefined,
  verdict: FaceVerdict,
  notes: readonly string[] = [],
): Promise<Uint8Array> {
  const expected = expectedGrey(dots, face.side, besides);
  const { width, height } = expected;
  const [gap, top] = [20, 50];
  const all = { width: 2 * width + 3 * gap, height: height + top + gap + notes.length * lineHeight };
  const raw = { width, height, channels: 1 } as const;
  const left = await sharp(expected.grey, { raw }).png().toBuffer();
  const seen =
    straight === undefined
      ? undefined
      : await sharp(straight.grey, {
          raw: { width: straight.width, height: straight.height, channels: 1 },
        })
          .png()
          .toBuffer();
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${String(all.width)}" height="${String(all.height)}">${marks(face, verdict, width + 2 * gap, top)}${told(notes, width + 2 * gap, top + height)}</svg>`;
  const drawn = new Resvg(svg, {
    font: { fontFiles: [fileURLToPath(font)], loadSystemFonts: false, defaultFontFamily: "Inter" },
  })
    .render()
    .asPng();
  const picture = await sharp({ create: { ...all, channels: 3, background: "#ffffff" } })
    .composite([
      { input: left, left: gap, top },
      ...(seen === undefined ? [] : [{ input: seen, left: width + 2 * gap, top }]),
      { input: drawn, left: 0, top: 0 },
    ])
    .png()
    .toBuffer();
  return new Uint8Array(picture);
}
