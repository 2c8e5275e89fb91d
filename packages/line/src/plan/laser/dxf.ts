/** DXF of AutoCAD R12 (AC1009), which every program reads: millimetres, origin at the card's lower left corner, y up; a layer for each kind of mark. */
import { card } from "../layout/index.js";
import type { LaserJob } from "./job.js";
import { type MarkKind, markKinds, type Pen } from "./settings.js";
import { rowsOf } from "./time.js";
import type { Line } from "./shapes.js";

const n = (value: number): string => value.toFixed(4);

/** A layer's name says with what it is burnt: `TEXT-60-800` is 60 per cent at 800 mm/s, `x2` behind it twice. */
export const layerOf = (kind: MarkKind, { power, speed, passes }: Pen): string =>
  `${kind.toUpperCase()}-${String(power)}-${String(speed)}${passes > 1 ? `x${String(passes)}` : ""}`.replaceAll(
    ".",
    "_",
  );

export function dxf(job: LaserJob): string {
  const out: (string | number)[] = [];
  const say = (...pairs: readonly (string | number)[]): void => void out.push(...pairs);
  const { pens } = job.settings;
  const used = markKinds.filter(
    (kind) =>
      job.passes.some((pass) => pass.kind === kind) || job.pictures.some((picture) => picture.kind === kind),
  );
  say(0, "SECTION", 2, "HEADER", 9, "$ACADVER", 1, "AC1009");
  say(
    9,
    "$EXTMIN",
    10,
    n(0),
    20,
    n(0),
    30,
    n(0),
    9,
    "$EXTMAX",
    10,
    n(card.width),
    20,
    n(card.height),
    30,
    n(0),
    0,
    "ENDSEC",
  );
  say(0, "SECTION", 2, "TABLES", 0, "TABLE", 2, "LAYER", 70, used.length);
  for (const kind of used)
    say(0, "LAYER", 2, layerOf(kind, pens[kind]), 70, 0, 62, markKinds.indexOf(kind) + 1, 6, "CONTINUOUS");
  say(0, "ENDTAB", 0, "ENDSEC", 0, "SECTION", 2, "ENTITIES");
  const straight = (layer: string, line: Line): void =>
    say(
      0,
      "LINE",
      8,
      layer,
      10,
      n(line[0] ?? 0),
      20,
      n(card.height - (line[1] ?? 0)),
      30,
      n(0),
      11,
      n(line[2] ?? 0),
      21,
      n(card.height - (line[3] ?? 0)),
      31,
      n(0),
    );
  for (const kind of used) {
    const layer = layerOf(kind, pens[kind]);
    for (const { lines } of job.passes.filter((pass) => pass.kind === kind))
      for (const line of lines) {
        if (line.length === 4) {
          straight(layer, line);
          continue;
        }
        const closed = line[0] === line.at(-2) && line[1] === line.at(-1);
        say(0, "POLYLINE", 8, layer, 66, 1, 70, closed ? 1 : 0, 10, n(0), 20, n(0), 30, n(0));
        for (let i = 0; i + 1 < line.length - (closed ? 2 : 0); i += 2)
          say(0, "VERTEX", 8, layer, 10, n(line[i] ?? 0), 20, n(card.height - (line[i + 1] ?? 0)), 30, n(0));
        say(0, "SEQEND", 8, layer);
      }
    for (const picture of job.pictures.filter((one) => one.kind === kind))
      for (const { y, runs } of rowsOf(picture)) for (const [a, b] of runs) straight(layer, [a, y, b, y]);
  }
  say(0, "ENDSEC", 0, "EOF");
  let text = "";
  for (let i = 0; i + 1 < out.length; i += 2)
    text += `${String(out[i]).padStart(3)}\n${String(out[i + 1])}\n`;
  return text;
}
