/** Neutral records of what an embosser strikes: positions in mils (1/1000 inch), as desktop embossers take them, checked before they leave. */
import { areStruckOnto, isInArea, lackedBy, wheels } from "@persoline/card/id1";
import { DeviceFault } from "../../problem.js";
import type { MarkJob, StruckLine } from "../port.js";

export interface StruckRecord {
  readonly font: StruckLine["font"];
  readonly text: string;
  /** Left edge to the centre of the first character. */
  readonly xMils: number;
  /** Bottom edge to the vertical middle of the characters. */
  readonly yMils: number;
}

/** So far the carriage of a desktop embosser goes, mils. */
const travel = { x: [100, 3275], y: [135, 1460] } as const;

/** The same in millimetres, for whoever lays cards out. */
export const carriage = {
  across: { from: millimetres(travel.x[0]), to: millimetres(travel.x[1]) },
  up: { from: millimetres(travel.y[0]), to: millimetres(travel.y[1]) },
} as const;

function millimetres(mils: number): number {
  return (mils / 1000) * 25.4;
}
const mils = (mm: number): number => Math.round((mm / 25.4) * 1000);

/**
 * The records of a job, from the bottom line up and wheel by wheel (changing wheels costs time). Throws DeviceFault, and says which
 * line and why without its text; nothing has moved then.
 */
export function recordsOf(
  device: string,
  job: Extract<MarkJob, { kind: "emboss" | "indent" }>,
): readonly StruckRecord[] {
  const refuse = (line: number, why: string): DeviceFault =>
    new DeviceFault(device, "refused", `${device} strikes nothing: line ${String(line + 1)} ${why}`);
  if (job.lines.length === 0)
    throw new DeviceFault(device, "refused", `${device} was given no line to strike`);
  const records = job.lines.map((line, at): StruckRecord => {
    const wheel = wheels[line.font];
    if ((line.font === "rear") !== (job.kind === "indent"))
      throw refuse(at, `asks for wheel ${line.font}, which does not ${job.kind}`);
    if (line.text === "" || lackedBy(line.font, line.text) !== undefined)
      throw refuse(at, `has a character that wheel ${line.font} lacks`);
    if (line.text.length > wheel.most) throw refuse(at, `has more than ${String(wheel.most)} characters`);
    if (Math.abs(line.pitch - wheel.pitch) > 0.01)
      throw refuse(at, "asks for another pitch than its wheel's");
    const record = { font: line.font, text: line.text, xMils: mils(line.x), yMils: mils(line.yFromBottom) };
    const last = mils(line.x + (line.text.length - 1) * line.pitch);
    if (record.xMils < travel.x[0] || last > travel.x[1])
      throw refuse(at, "lies outside the carriage's way across");
    if (record.yMils < travel.y[0] || record.yMils > travel.y[1])
      throw refuse(at, "lies outside the carriage's way up");
    if (!isInArea(line))
      throw refuse(
        at,
        line.font === "7B"
          ? "lies off the number line (ISO/IEC 7811-3: its centre is 21.42 mm above the bottom edge)"
          : "lies outside the area of name and address (ISO/IEC 7811-3: its characters stand 2.41 to 16.94 mm above the bottom edge)",
      );
    return record;
  });
  for (const [at, line] of job.lines.entries()) {
    const clash = job.lines.findIndex((other, before) => before < at && areStruckOnto(line, other));
    if (clash >= 0) throw refuse(at, `is struck onto line ${String(clash + 1)}`);
  }
  return records.toSorted((a, b) => a.font.localeCompare(b.font) || a.yMils - b.yMils);
}
