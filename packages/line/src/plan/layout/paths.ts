/** SVG brought down to plain paths in millimetres, by the parser that also draws it (usvg, inside resvg). */
import { Resvg } from "@resvg/resvg-js";

/** A path as absolute M, L, Q, C and Z commands, mm. */
export interface PlainPath {
  readonly d: string;
  readonly rule?: "evenodd";
  /** #rrggbb; undefined when it is not filled. */
  readonly fill: string | undefined;
  readonly stroke: { readonly colour: string; readonly width: number } | undefined;
}

type Matrix = readonly [number, number, number, number, number, number];
const identity: Matrix = [1, 0, 0, 1, 0, 0];
const times = ([a, b, c, d, e, f]: Matrix, [g, h, i, j, k, l]: Matrix): Matrix => [
  a * g + c * h,
  b * g + d * h,
  a * i + c * j,
  b * i + d * j,
  a * k + c * l + e,
  b * k + d * l + f,
];

/** Five decimals of a millimetre: the same text on every machine. */
const number = (value: number): string => {
  const text = value.toFixed(5);
  return String(Number(text === "-0.00000" ? "0" : text));
};

function moved(d: string, [a, b, c, e, x, y]: Matrix): string {
  return d
    .trim()
    .split(/(?=[MLQCZ])/)
    .map((command) => {
      const values = command
        .slice(1)
        .trim()
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(Number);
      const points: string[] = [];
      for (let i = 0; i + 1 < values.length; i += 2) {
        const [u, v] = [values[i] ?? 0, values[i + 1] ?? 0];
        points.push(`${number(a * u + c * v + x)} ${number(b * u + e * v + y)}`);
      }
      return command.slice(0, 1) + points.join(" ");
    })
    .join("");
}

const attributesOf = (tag: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...tag.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );

const matrixOf = (text: string | undefined): Matrix => {
  const [a = 1, b = 0, c = 0, d = 1, e = 0, f = 0] = (text?.match(/-?[\d.]+(?:e-?\d+)?/g) ?? []).map(Number);
  return text === undefined ? identity : [a, b, c, d, e, f];
};

/** What cannot be burnt as plain paths, or undefined when all can. */
export type Unplain = string | undefined;

/**
 * Every path of an SVG document in drawing order, with its transformations applied. `placed` maps the document's user units to mm.
 * Says what is in the way when the drawing is more than flat paths: gradients, transparency, pictures, clips, dashes.
 */
export function plainPaths(
  svg: string,
  placed: Matrix = identity,
): { paths: readonly PlainPath[]; unplain: Unplain } {
  const flat = new Resvg(svg, { font: { loadSystemFonts: false } }).toString();
  const paths: PlainPath[] = [];
  const stack: Matrix[] = [placed];
  let unplain: Unplain;
  for (const [tag] of flat.matchAll(/<\/?[a-zA-Z][^>]*>/g)) {
    const name = /^<\/?([a-zA-Z]+)/.exec(tag)?.[1] ?? "";
    if (tag.startsWith("</")) {
      if (name === "g") stack.pop();
      continue;
    }
    if (name === "svg" || name === "defs") continue;
    const own = attributesOf(tag);
    const matrix = times(stack.at(-1) ?? placed, matrixOf(own["transform"]));
    for (const key of ["opacity", "fill-opacity", "stroke-opacity"])
      if (own[key] !== undefined && own[key] !== "1") unplain ??= "transparency";
    for (const key of ["clip-path", "mask", "filter"]) if (own[key] !== undefined) unplain ??= `a ${key}`;
    if (own["stroke-dasharray"] !== undefined) unplain ??= "a dashed line";
    if (name === "g") {
      if (!tag.endsWith("/>")) stack.push(matrix);
      continue;
    }
    if (name !== "path") {
      unplain ??= name === "image" ? "a picture" : `a ${name}`;
      continue;
    }
    const [fill = "none", stroke = "none"] = [own["fill"], own["stroke"]];
    if (fill.startsWith("url") || stroke.startsWith("url")) unplain ??= "a gradient or pattern";
    const scale = Math.sqrt(Math.abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]));
    paths.push({
      d: moved(own["d"] ?? "", matrix),
      ...(own["fill-rule"] === "evenodd" ? { rule: "evenodd" as const } : {}),
      fill: fill.startsWith("#") ? fill : undefined,
      stroke: stroke.startsWith("#")
        ? { colour: stroke, width: Number(own["stroke-width"] ?? "1") * scale }
        : undefined,
    });
  }
  return { paths, unplain };
}
