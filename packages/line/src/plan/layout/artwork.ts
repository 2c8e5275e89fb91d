/** Drawings of designers: checked before anything draws them, and made into outlines where a laser must follow them. */
import { Resvg } from "@resvg/resvg-js";
import type { PlacedArtwork, PlacedOutline } from "../placed.js";
import { boxOf } from "./art.js";
import { plainPaths } from "./paths.js";
import { LayoutProblem, type LayoutPlace } from "./problem.js";
import type { SvgArt } from "./template.js";

/** What a drawing of a card may not hold, and what to do instead. */
const refused: readonly (readonly [pattern: RegExp, what: string, remedy: string])[] = [
  [/<!DOCTYPE|<!ENTITY/i, "a document type with entities", "save the drawing as plain SVG"],
  [/<script[\s>]|\son[a-z]+\s*=/i, "a script", "save the drawing as plain SVG"],
  [/<foreignObject[\s>]/i, "a foreign object", "save the drawing as plain SVG"],
  [
    /<(?:text|tspan|textPath)[\s>]/i,
    "text, which no font of the package would draw",
    "convert texts to outlines, or make them fields of the layout",
  ],
  [
    /(?:xlink:)?href\s*=\s*["'](?!#|data:image\/(?:png|jpeg);)/i,
    "a reference to something outside the file",
    "embed it, or draw it",
  ],
  [/url\(\s*["']?(?!#|["']?#)|@import/i, "a reference to something outside the file", "embed it, or draw it"],
];

const lineOf = (text: string, index: number): LayoutPlace & { line: number } => {
  const before = text.slice(0, index).split("\n");
  return { file: "", line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
};

/** Throws LayoutProblem "wrong-artwork" with the drawing's own line. */
function checkArtwork({ source, sourceFile, name }: SvgArt): void {
  for (const [pattern, what, remedy] of refused) {
    const found = pattern.exec(source);
    if (found === null) continue;
    throw new LayoutProblem(
      "wrong-artwork",
      { ...lineOf(source, found.index), file: sourceFile },
      name,
      `the drawing holds ${what}`,
      remedy,
    );
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Parses the drawing. Throws LayoutProblem. */
function sizeOf({ source, sourceFile, name }: SvgArt): Size {
  try {
    const { width, height } = new Resvg(source, { font: { loadSystemFonts: false } });
    return { width, height };
  } catch (cause) {
    throw new LayoutProblem(
      "wrong-artwork",
      { file: sourceFile, line: 1, column: 1 },
      name,
      `this is not an SVG drawing (${cause instanceof Error ? cause.message : "unknown reason"})`,
      "export it again as plain SVG with a viewBox",
    );
  }
}

/** Width over height of the drawing. Throws LayoutProblem. */
export const aspectOf = (art: SvgArt): number => {
  const { width, height } = sizeOf(art);
  return width / height;
};

const light = (hex: string): boolean => {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return 0.299 * (r ?? 0) + 0.587 * (g ?? 0) + 0.114 * (b ?? 0) >= 128;
};

/** A drawing where it stands. On the laser's layer its paths: dark ones are burnt, light ones take marks away. Throws LayoutProblem. */
export function placeArtwork(art: SvgArt): readonly (PlacedArtwork | PlacedOutline)[] {
  checkArtwork(art);
  const box = boxOf(art.box);
  const { width, height } = sizeOf(art);
  if (art.layer !== "laser")
    return [{ kind: "artwork", layer: art.layer, field: art.name, box, svg: art.source }];
  const scale = Math.min(box.width / width, box.height / height);
  const viewBox = /viewBox="([^"]+)"/.exec(
    new Resvg(art.source, { font: { loadSystemFonts: false } }).toString(),
  )?.[1];
  const [vx = 0, vy = 0, vw = width, vh = height] = (viewBox ?? "").split(/\s+/).filter(Boolean).map(Number);
  const unit = scale * Math.min(width / vw, height / vh);
  const { paths, unplain } = plainPaths(art.source, [
    unit,
    0,
    0,
    unit,
    box.x + (box.width - unit * vw) / 2 - unit * vx,
    box.y + (box.height - unit * vh) / 2 - unit * vy,
  ]);
  if (unplain !== undefined) {
    throw new LayoutProblem(
      "wrong-artwork",
      { file: art.sourceFile, line: 1, column: 1 },
      art.name,
      `a laser burns flat paths, and the drawing has ${unplain}`,
      "draw it with plain fills and lines, or put it on the layer colour",
    );
  }
  return paths.flatMap(({ d, rule, fill, stroke }): PlacedOutline[] => {
    const common = {
      kind: "outline",
      layer: "laser",
      field: art.name,
      d,
      ...(rule === undefined ? {} : { rule }),
    } as const;
    return [
      ...(fill === undefined ? [] : [{ ...common, colour: "#000000", clear: light(fill) }]),
      ...(stroke === undefined
        ? []
        : [{ ...common, colour: "#000000", clear: light(stroke.colour), stroke: stroke.width }]),
    ];
  });
}
