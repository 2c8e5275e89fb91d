/** Codes for readers, as modules that are whole dots of the machine. */
import { createRequire } from "node:module";
import type bwipJs from "bwip-js";
import type { Box, PlacedCode, PlacedField, Symbology } from "../placed.js";
import { boxOf } from "./art.js";
import { LayoutProblem } from "./problem.js";
import type { FieldOf } from "./template.js";

interface SymbologyRule {
  readonly linear: boolean;
  /** Modules that must stay free at the left and right, and above and below. */
  readonly quiet: readonly [sideways: number, upright: number];
  /** Least module width on a card, mm: for readers of 200 dpi, and of the 2D ones for cameras. */
  readonly least: number;
  /** What may be written in it, for the message when it is not. */
  readonly may: RegExp;
  readonly set: string;
  /** Height of a row in module widths; 1 when not said. */
  readonly ratio?: number;
}

/** ISO/IEC 18004 (QR), 16022, 15438, 24778, 15417 (128), 16388 (39), 16390 (2 of 5), 15420 (EAN). */
export const rules: Readonly<Record<Symbology, SymbologyRule>> = {
  qrcode: { linear: false, quiet: [4, 4], least: 0.25, may: /^[\s\S]+$/, set: "any text" },
  datamatrix: { linear: false, quiet: [1, 1], least: 0.25, may: /^[\s\S]+$/, set: "any text" },
  azteccode: { linear: false, quiet: [0, 0], least: 0.25, may: /^[\s\S]+$/, set: "any text" },
  pdf417: { linear: false, quiet: [2, 2], least: 0.17, may: /^[\s\S]+$/, set: "any text", ratio: 3 },
  code128: { linear: true, quiet: [10, 0], least: 0.25, may: /^[ -~]+$/, set: "printable ASCII" },
  code39: {
    linear: true,
    quiet: [10, 0],
    least: 0.19,
    may: /^[0-9A-Z .$/+%-]+$/,
    set: "0-9, A-Z, space and . $ / + % -",
  },
  interleaved2of5: {
    linear: true,
    quiet: [10, 0],
    least: 0.19,
    may: /^(?:\d\d)+$/,
    set: "an even number of digits",
  },
  ean13: {
    linear: true,
    quiet: [11, 0],
    least: 0.26,
    may: /^\d{12,13}$/,
    set: "12 digits, or 13 with the check digit",
  },
  ean8: {
    linear: true,
    quiet: [7, 0],
    least: 0.26,
    may: /^\d{7,8}$/,
    set: "7 digits, or 8 with the check digit",
  },
};

/** Fewest dots of a module: two can still be told from three, one cannot from two. */
const fewest = (symbology: Symbology): number => (rules[symbology].linear ? 2 : 3);

interface Modules {
  readonly columns: number;
  readonly rows: number;
  readonly dark: Uint8Array;
}

function encoded(field: FieldOf<"code">, text: string): Modules {
  const { symbology, level, columns } = field;
  const ask: { bcid: string; text: string } & Record<string, string | number | boolean> = {
    bcid: symbology,
    text,
  };
  if (symbology === "qrcode") ask["eclevel"] = level ?? "M";
  if (symbology === "pdf417") {
    if (level !== undefined) ask["eclevel"] = level;
    if (columns !== undefined) ask["columns"] = columns;
  }
  if (symbology === "azteccode" && level !== undefined) ask["eclevel"] = level;
  // Loaded with the first code that is drawn: most processes draw none.
  const bwip = createRequire(import.meta.url)("bwip-js") as typeof bwipJs;
  const [code] = bwip.raw(ask);
  if (code !== undefined && "pixs" in code) {
    const dark = Uint8Array.from(code.pixs);
    const rows = dark.length / code.pixx;
    return { columns: code.pixx, rows, dark };
  }
  if (code !== undefined && "sbs" in code) {
    const wide = code.sbs.reduce((sum, width) => sum + Math.round(width), 0);
    const dark = new Uint8Array(wide);
    let at = 0;
    code.sbs.forEach((width, i) => {
      if (i % 2 === 0) dark.fill(1, at, at + Math.round(width));
      at += Math.round(width);
    });
    return { columns: wide, rows: 1, dark };
  }
  throw new Error(`bwip-js drew nothing for ${symbology}`);
}

function wrongLevel(field: FieldOf<"code">): string | undefined {
  const { symbology, level, columns } = field;
  if (columns !== undefined && symbology !== "pdf417") return "columns are for pdf417 only";
  if (level === undefined) return undefined;
  if (symbology === "qrcode")
    return typeof level === "string" ? undefined : "the level of a qrcode is L, M, Q or H";
  if (symbology === "pdf417")
    return typeof level === "number" && level <= 8 ? undefined : "the level of a pdf417 is 0 to 8";
  if (symbology === "azteccode")
    return typeof level === "number" && level >= 5
      ? undefined
      : "the level of an azteccode is 5 to 90 per cent";
  return `a ${symbology} has no level of error correction`;
}

/** mm of a dot. */
export const dotOf = (dpi: number): number => 25.4 / dpi;

/** Lays a code out in whole dots, in the middle of its box. Throws LayoutProblem when it does not fit or cannot hold the text. */
export function placeCode(
  field: FieldOf<"code">,
  text: string,
  dpi: number,
): { element: PlacedCode; placed: PlacedField } {
  const rule = rules[field.symbology];
  const level = wrongLevel(field);
  if (level !== undefined)
    throw new LayoutProblem("wrong-layout", field.place, field.name, level, "correct it, or leave it out");
  if (!rule.may.test(text))
    throw new LayoutProblem(
      "wrong-character",
      field.place,
      field.name,
      `the content has a character or a length that ${field.symbology} cannot hold`,
      `it holds ${rule.set}`,
    );
  let modules: Modules;
  try {
    modules = encoded(field, text);
  } catch (cause) {
    // bwip-js names its own reasons ("bwipp.ean13badCheckDigit#1234: …"), without the text.
    const reason =
      cause instanceof Error ? cause.message.replace(/^.*?bwipp\.(\w+)#\d+: /, "") : "unknown reason";
    throw new LayoutProblem(
      "wrong-value",
      field.place,
      field.name,
      `${field.symbology} cannot hold the content: ${reason}`,
      "correct the content",
    );
  }
  const { columns, rows } = modules;
  const box = boxOf(field.box);
  const dot = dotOf(dpi);
  const [sideways, upright] = rule.quiet;
  const high = rule.linear ? 0 : rows * (rule.ratio ?? 1) + 2 * upright;
  const most = Math.min(
    box.width / (columns + 2 * sideways),
    high === 0 ? Number.POSITIVE_INFINITY : box.height / high,
  );
  // A module that was asked for is taken to the nearest dot; the linter says when that is another width.
  const dots = field.module === undefined ? Math.floor(most / dot + 1e-9) : Math.round(field.module / dot);
  const least = fewest(field.symbology);
  const module = dots * dot;
  if (dots < least || module > most + 1e-9) {
    const needs = Math.max(least * dot, field.module === undefined ? 0 : module);
    throw new LayoutProblem(
      "code-too-dense",
      field.place,
      field.name,
      `${String(columns)}${rule.linear ? "" : ` × ${String(rows)}`} modules and the quiet zone leave less than ${String(Math.max(least, dots))} dots of ${String(dpi)} dpi a module`,
      `make the box at least ${((columns + 2 * sideways) * needs).toFixed(1)} mm wide` +
        `${high === 0 ? "" : ` and ${(high * needs).toFixed(1)} mm high`}, lower the error correction level or shorten the content`,
    );
  }
  const moduleHeight = rule.linear ? Math.floor(box.height / dot + 1e-9) * dot : module * (rule.ratio ?? 1);
  const [width, height] = [module * columns, moduleHeight * rows];
  const x = Math.round((box.x + (box.width - width) / 2) / dot) * dot;
  const y = Math.round((box.y + (box.height - height) / 2) / dot) * dot;
  const symbol: Box = {
    x: x - sideways * module,
    y: y - upright * module,
    width: width + 2 * sideways * module,
    height: height + 2 * upright * module,
  };
  return {
    element: {
      kind: "code",
      layer: field.layer,
      field: field.name,
      symbology: field.symbology,
      text,
      x,
      y,
      module: { width: module, height: moduleHeight },
      ...modules,
      colour: field.colour,
    },
    placed: {
      name: field.name,
      kind: "code",
      layer: field.layer,
      box: symbol,
      text,
      symbology: field.symbology,
    },
  };
}
