/** Rules about the machines of a line: what they reach, and how finely they mark. Told by the machines themselves, as plain data. */
import type { Box, Face, PlacedElement } from "../placed.js";
import { card } from "./art.js";
import { isOfBody } from "./body.js";
import type { Say } from "./lint-finding.js";
import { inkBoxes } from "./lint-geometry.js";
import { type Blank, lintStruck, type StruckLine } from "./lint-struck.js";
import { describe, inside } from "./zones.js";

interface Range {
  readonly from: number;
  readonly to: number;
}

/** What a machine reaches on a side, mm as in the placed model; heights of struck characters are of their middle above the bottom edge. */
export type MachineReach =
  | { readonly does: "raster" | "colour"; readonly name: string; readonly reach: Box; readonly dpi: number }
  | { readonly does: "emboss" | "indent"; readonly name: string; readonly across: Range; readonly up: Range };

const mm = (value: number): string => value.toFixed(2);
/** Positions are sent in whole thousandths of an inch: half of one is rounded away. */
const rounded = 25.4 / 2000;
/** mm by which ink may leave a field: both are told in hundredths. */
const slack = 0.02;

/** Why a machine cannot strike a line, and what to do; undefined: it can. */
export function outOfReach(
  line: Pick<StruckLine, "text" | "x" | "yFromBottom" | "pitch">,
  { name, across, up }: Extract<MachineReach, { readonly does: "emboss" | "indent" }>,
): { readonly message: string; readonly remedy: string } | undefined {
  const last = line.x + (line.text.length - 1) * line.pitch;
  if (line.x < across.from - rounded || last > across.to + rounded)
    return {
      message: `${mm(line.x)}..${mm(last)} mm is beyond the way of ${name} across`,
      remedy: `keep its characters between ${mm(across.from)} and ${mm(across.to)} mm`,
    };
  if (line.yFromBottom < up.from - rounded || line.yFromBottom > up.to + rounded)
    return {
      message: `${mm(line.yFromBottom)} mm above the bottom edge is beyond the way of ${name}`,
      remedy: `keep its middle ${mm(up.from)} to ${mm(up.to)} mm above the bottom edge`,
    };
  return undefined;
}

const strikes = (
  machine: MachineReach,
  line: StruckLine,
): machine is Extract<MachineReach, { readonly does: "emboss" | "indent" }> =>
  machine.does === ("layer" in line ? line.layer : "emboss");

/**
 * What a line's machines cannot mark of one record's card, field by field; only what makes bad cards or none. Of struck lines that is
 * also what every embosser refuses, or what would spoil the blank.
 */
export function unreachable(
  faces: readonly Face[],
  struck: readonly StruckLine[],
  machines: readonly MachineReach[],
  blank: readonly Blank[] = [],
): readonly { readonly field: string; readonly message: string; readonly remedy: string }[] {
  const found: { readonly field: string; readonly message: string; readonly remedy: string }[] = [];
  const say: Say = (_, severity, [field = ""], message, remedy) => {
    if (severity === "error") found.push({ field, message, remedy });
  };
  for (const line of struck) ofStruck(line, machines, say);
  const made = struck.filter((line) => machines.some((machine) => strikes(machine, line)));
  for (const side of ["front", "back"] as const)
    lintStruck(
      {
        here: made.filter((line) => line.side === side),
        behind: made.filter((line) => line.side !== side),
      },
      blank,
      say,
    );
  for (const face of faces) lintMachines(face, [], machines, say);
  return found;
}

function ofStruck(line: StruckLine, machines: readonly MachineReach[], say: Say): void {
  for (const machine of machines) {
    if (!strikes(machine, line)) continue;
    const wrong = outOfReach(line, machine);
    if (wrong !== undefined) say("machine", "error", [line.field], wrong.message, wrong.remedy);
  }
}

/** Codes of a machine whose dots are not theirs: their bars come out unequal. */
function ofCodes(elements: readonly PlacedElement[], dpi: number, name: string, say: Say): void {
  for (const element of elements) {
    if (element.kind !== "code") continue;
    const dots = (element.module.width / 25.4) * dpi;
    if (Math.abs(dots - Math.round(dots)) > 0.02 || Math.round(dots) < 2)
      say(
        "machine",
        // Readers forgive bars that are unequal by a part of a dot, as long as they are some dots wide.
        dots < 2.5 ? "error" : "warning",
        [element.field],
        `a module of it is ${dots.toFixed(2)} dots of ${name}, which marks ${String(dpi)} an inch`,
        `lay this side out for it (dpi: ${String(dpi)}), or use a finer machine`,
      );
  }
}

/** What the machines of a line cannot mark of one side. */
export function lintMachines(
  face: Face,
  struck: readonly StruckLine[],
  machines: readonly MachineReach[],
  say: Say,
): void {
  for (const line of struck) ofStruck(line, machines, say);
  const whole: Box = { x: 0, y: 0, width: card.width, height: card.height };
  const elements = [...face.common.elements, ...face.own].filter((element) => !isOfBody(element));
  for (const machine of machines) {
    if (machine.does !== "raster" && machine.does !== "colour") continue;
    const layers = machine.does === "raster" ? ["laser", "code"] : ["colour"];
    const { name, reach, dpi } = machine;
    ofCodes(
      elements.filter(({ layer }) => layers.includes(layer)),
      dpi,
      name,
      say,
    );
    if (inside(whole, reach)) continue;
    for (const field of face.fields) {
      if (field.kind === "art" || !layers.includes(field.layer)) continue;
      const beyond = inkBoxes(field).find((ink) => !inside(ink, reach, slack));
      if (beyond !== undefined)
        say(
          "machine",
          "error",
          [field.name],
          `${describe(beyond)} is beyond the field of ${name}, ${describe(reach)}`,
          "move it into that field, or use a machine that reaches farther",
        );
    }
  }
}
