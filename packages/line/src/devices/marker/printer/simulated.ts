/** A card printer over bodies of the shop floor: its dyes lie on the plastic that the simulated camera sees. */
import { headOf } from "../../shop-floor/places.js";
import { visualFlawKinds } from "../../flaw-kinds.js";
import { basename } from "node:path";
import { DeviceFault } from "../../problem.js";
import { faultsOf } from "../../shop-floor/lot-book.js";
import type { Side } from "../../shop-floor/faces.js";
import { printOver, wear } from "../../shop-floor/wear.js";
import { printerGeometry } from "../geometry.js";
import { canSpoil, flawOf, spoil, type VisualFlaw } from "../flaws.js";
import type { Marker, MarkJob, PrintedSide } from "../port.js";
import { type Canvas, dotsOf, dyed } from "../redraw.js";
import type { SimulatedMarkerOptions } from "../simulated.js";
import { printingMs } from "./job.js";

/** Dots an inch at which bodies keep what is printed on them. */
const kept = 300;

/** The light that a side's dyes take on the card, a byte a dot: the bleed is cut off, finer prints are brought to 300 dpi. */
function inkOf({ dpi, width, height, bleed, pixels, areas = [] }: PrintedSide): Canvas {
  const fine = Math.max(1, Math.round(dpi / kept));
  const dots = (mm: number): number => Math.round((mm / 25.4) * kept);
  const [across, down] = [dots(85.6), dots(53.98)];
  const content = new Uint8Array(across * down);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      let dark = 0;
      for (let dy = 0; dy < fine; dy++) {
        const row = Math.min(height - 1, bleed + y * fine + dy);
        for (let dx = 0; dx < fine; dx++) {
          const at = 4 * (row * width + Math.min(width - 1, bleed + x * fine + dx));
          dark +=
            (pixels[at + 3] ?? 0) -
            0.299 * (pixels[at] ?? 0) -
            0.587 * (pixels[at + 1] ?? 0) -
            0.114 * (pixels[at + 2] ?? 0);
        }
      }
      content[y * across + x] = Math.max(0, Math.min(255, Math.round(dark / (fine * fine))));
    }
  }
  return dyed({ dpi: kept, width: across, height: down, areas, content });
}

/** Flaws that are this printer's say so in a body's `faults.json`: "print faint front". */
const printFlawOf = (words: string): VisualFlaw | undefined =>
  words.startsWith("print ") ? flawOf(words.slice("print ".length)) : undefined;

/** Prints what the simulated camera sees, as grey as that sees it. Keeps the sides before, for the flaw of another person's data. */
export function simulatedPrinter(options: SimulatedMarkerOptions): Marker {
  const { name, spoiler } = options;
  const before: Partial<Record<Side, Canvas>> = {};
  const prints = { front: 0, back: 0 };
  const refuse = (asked: string): DeviceFault =>
    new DeviceFault(name, "refused", `${name} does colour, not ${asked}`);

  function flawFor(body: string, label: string, side: Side, job: Canvas): VisualFlaw | undefined {
    const nth = ++prints[side];
    const planted = [
      ...faultsOf(body).faces.flatMap((words) => printFlawOf(words) ?? []),
      ...(options.flaws ?? []).filter((one) =>
        one.label === undefined ? one.nth === nth : one.label === label,
      ),
    ].find((one) => (one.side ?? "front") === side);
    if (planted !== undefined) return planted;
    const kind = spoiler?.next({
      label,
      head: headOf(options.place),
      machine: name,
      side,
      kinds: visualFlawKinds,
      can: (one) => canSpoil(job, one, before[side]),
    });
    return kind === undefined ? undefined : { kind, side, label, shows: true };
  }

  async function print(body: string, side: PrintedSide, ms: number): Promise<void> {
    const label = basename(body).replace(/^\d{6}-/, "");
    const job = inkOf(side);
    const flaw = flawFor(body, label, side.side, job);
    const {
      canvas,
      power,
      wear: worn,
      field,
    } = flaw === undefined
      ? { canvas: job, power: 1 }
      : spoil(job, flaw, before[side.side], `${options.seed} ${name} ${label}`);
    before[side.side] = job;
    if (worn !== undefined) wear(body, side.side, { ...worn, weak: [] });
    const { width, height, content } = canvas;
    const grey = content.map((dark) => 255 - dark * power);
    for (const { box, power: weaker } of worn?.weak ?? []) {
      const { left, top, right, bottom } = dotsOf(canvas, box, 0);
      for (let y = Math.max(0, top); y < Math.min(height, bottom); y++)
        for (let x = Math.max(0, left); x < Math.min(width, right); x++)
          grey[y * width + x] = 255 - (content[y * width + x] ?? 0) * weaker;
    }
    if (flaw !== undefined)
      spoiler?.made({
        label,
        machine: name,
        side: side.side,
        kind: flaw.kind,
        ...(field === undefined ? {} : { field }),
      });
    await printOver(body, side.side, { width, height, grey }, (_, strips) =>
      options.world.sleep(ms / strips),
    );
  }

  return {
    name,
    kind: "simulated",
    does: "colour",
    geometry: printerGeometry({ dpi: kept }),
    duration: (job: MarkJob) => {
      if (job.kind !== "colour") throw refuse(job.kind);
      return printingMs(job);
    },
    async mark(job) {
      if (job.kind !== "colour") throw refuse(job.kind);
      const body = options.bodyAt(options.place);
      if (body === undefined) throw new DeviceFault(name, "refused", `${name} has no card to print`);
      for (const side of job.sides) await print(body, side, printingMs(job) / job.sides.length);
    },
  };
}
