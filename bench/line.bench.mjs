// Ideal cards through the whole line, with real vault, journal, accounts and shop floor, without pictures: cards a second, commits a card.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { produce } from "../packages/line/dist/app/produce.js";
import { benchOrder, median } from "./order.mjs";

const cards = 1500;
const rates = [];
for (let round = 0; round < 3; round++) {
  const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
  const end = await produce({
    orderFile: benchOrder(folder, cards),
    data: join(folder, "data"),
    by: "bench",
    timeZone: "UTC",
  });
  const { produced, commits } = end;
  if (produced.produced !== cards || !produced.balanced) throw new Error(end.unfinished ?? "not whole");
  const rate = cards / produced.seconds;
  rates.push(rate);
  process.stdout.write(
    `  ${rate.toFixed(0)} cards/s; durable commits a card: accounts ${(commits.accounts / cards).toFixed(2)}, journal ${(commits.journal / cards).toFixed(2)}\n`,
  );
  rmSync(folder, { recursive: true });
}
process.stdout.write(`median ${median(rates).toFixed(0)} cards/s of ${String(cards)} cards (wanted: 50)\n`);
