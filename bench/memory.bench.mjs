// Memory of a whole run, by the number of cards: each size in a process of its own; heap in use after a collection, sampled while the line runs.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { produce } from "../packages/line/dist/app/produce.js";
import { benchOrder, median } from "./order.mjs";

const [size] = process.argv.slice(2);
if (size === undefined) {
  const sizes = [100, 1000, 20_000];
  const found = sizes.map((cards) => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ["--expose-gc", fileURLToPath(import.meta.url), String(cards)],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    const figures = /** @type {{ heap: number, rss: number, rate: number }} */ (JSON.parse(stdout));
    process.stdout.write(
      `  ${String(cards).padStart(6)} cards: heap ${figures.heap.toFixed(1)} MiB (median while running), highest resident ${figures.rss.toFixed(0)} MiB, ${figures.rate.toFixed(0)} cards/s\n`,
    );
    return figures;
  });
  const [first, , last] = found;
  process.stdout.write(
    `20,000 against 100 cards: heap × ${((last?.heap ?? 0) / (first?.heap ?? 1)).toFixed(2)}, resident × ${((last?.rss ?? 0) / (first?.rss ?? 1)).toFixed(2)}\n`,
  );
} else {
  const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
  const cards = Number(size);
  /** @type {number[]} */
  const heaps = [];
  let peak = 0;
  let seen = 0;
  const every = Math.max(1, Math.floor(cards / 40));
  const end = await produce({
    orderFile: benchOrder(folder, cards),
    data: join(folder, "data"),
    by: "bench",
    timeZone: "UTC",
    onEvent: (event) => {
      if (event.kind !== "good" || ++seen % every !== 0) return;
      globalThis.gc?.();
      const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
      heaps.push((heapUsed + arrayBuffers) / 2 ** 20);
      peak = Math.max(peak, rss / 2 ** 20);
    },
  });
  if (end.produced.produced !== cards) throw new Error(end.unfinished ?? "not whole");
  rmSync(folder, { recursive: true });
  process.stdout.write(
    JSON.stringify({ heap: median(heaps), rss: peak, rate: cards / end.produced.seconds }),
  );
}
