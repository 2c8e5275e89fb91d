// Timed cards on virtual time, on the line for 3,500 cards an hour: what the line makes against what the planner says it can.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { produce } from "../packages/line/dist/app/produce.js";
import { benchOrder } from "./order.mjs";
import { readFileSync } from "node:fs";

const bureau = readFileSync(
  fileURLToPath(new URL("../examples/lines/bureau-3500.yaml", import.meta.url)),
  "utf8",
);
const cards = 600;
const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
// The chips' stations as they are; marking and pictures would only take the bench's own time.
const order = benchOrder(folder, cards, () =>
  bureau
    .replace(/ {2}- \{ name: visual.*\n/, "")
    .replace(/, camera: simulated/, "")
    .replace(
      /stock:[\s\S]*/,
      `without: [visual]\nstock:\n  - { lot: BENCH, count: ${String(cards + 50)} }\n`,
    ),
);
const end = await produce({ orderFile: order, data: join(folder, "data"), by: "bench", timeZone: "UTC" });
rmSync(folder, { recursive: true });
const { planned, line } = end;
process.stdout.write(
  `planned ${planned.cardsPerHour.toFixed(0)} cards/h (bottleneck ${planned.bottleneck})\n`,
);
process.stdout.write(
  `made    ${line.cardsPerHour.toFixed(0)} cards/h over the last cards, ${((cards * 3600) / end.produced.simulatedSeconds).toFixed(0)} with filling and emptying the line\n`,
);
process.stdout.write(`ratio   ${(line.cardsPerHour / planned.cardsPerHour).toFixed(3)} (wanted: 0.95)\n`);
