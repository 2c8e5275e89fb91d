// One office card's whole life, station by station: what the planner says at least, and what the card itself counted and took. Then cards in
// real time on the wall's clock against the same figures.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { produce } from "../packages/line/dist/app/produce.js";
import { lasted, liveOnce, stations } from "../packages/line/dist/plan/life.test.data.js";
import { estimate } from "@persoline/card/program";
import { benchOrder } from "./order.mjs";

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

await liveOnce();
print("  station           APDUs   characters on the wire   pages written      ms by the card's clock");
print("                            card   planned           card  planned      card     planned   ratio");
for (const [name, program, timing] of stations) {
  const least = estimate(program, timing);
  const card = lasted.get(name) ?? { ms: 0, pages: 0, characters: 0, apdus: 0 };
  print(
    `  ${name.padEnd(16)} ${String(card.apdus).padStart(5)} ${String(card.characters).padStart(8)} ${String(least.characters).padStart(9)} ${String(card.pages).padStart(14)} ${String(least.pages).padStart(8)} ${card.ms.toFixed(1).padStart(10)} ${least.ms.toFixed(1).padStart(10)} ${(card.ms / least.ms).toFixed(3).padStart(8)}`,
  );
}

const cards = 10;
const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
const order = benchOrder(folder, cards, (line) =>
  line.replace("mode: ideal", "mode: timed").replaceAll(/heads: \d/g, "heads: 1"),
);
const end = await produce({ orderFile: order, data: join(folder, "data"), by: "bench", timeZone: "UTC" });
const report = /** @type {{ stations: { station: string, median: number }[] }} */ (
  JSON.parse(readFileSync(end.reports.json, "utf8"))
);
rmSync(folder, { recursive: true });
print(
  `\n  ${String(cards)} warehouse cards in real time: median of a visit on the wall's clock against the planner's figure`,
);
const whole = { seen: 0, planned: 0 };
for (const { works } of end.planned.stations) {
  for (const { work, ms } of works) {
    const seen = report.stations.find(({ station }) => station === work)?.median ?? 0;
    whole.seen += seen;
    whole.planned += ms;
    print(
      `  ${work.padEnd(16)} ${seen.toFixed(1).padStart(8)} ms ${ms.toFixed(1).padStart(8)} ms   ratio ${(seen / ms).toFixed(3)}`,
    );
  }
}
print(
  `  ${"whole card".padEnd(16)} ${whole.seen.toFixed(1).padStart(8)} ms ${whole.planned.toFixed(1).padStart(8)} ms   ratio ${(whole.seen / whole.planned).toFixed(3)} (wanted: at most 1.03)`,
);
