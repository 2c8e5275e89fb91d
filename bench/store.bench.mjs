// Durable commits and notes a second, and what a card costs in the accounts. Medians of several rounds, on this disk.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openJournal } from "../packages/line/dist/store/journal.js";
import { openStore } from "../packages/line/dist/store/store.js";

const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** @param {number} heads @param {number} notes */
async function journalRound(heads, notes) {
  const journal = await openJournal(join(folder, `journal-${heads}-${Math.random()}.db`));
  const began = performance.now();
  await Promise.all(
    Array.from({ length: heads }, async (_, head) => {
      for (let at = 0; at < notes / heads; at++)
        await journal.write({
          serial: /** @type {never} */ (`CARD${head}`),
          station: "perso",
          program: "office/perso",
          segment: at,
          event: at % 2 === 0 ? "intent" : "done",
        });
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const { commits } = journal.stats;
  await journal.close();
  return { rate: notes / seconds, commits };
}

for (const heads of [1, 4, 8, 16]) {
  const rounds = [];
  for (let round = 0; round < 5; round++) rounds.push(await journalRound(heads, 2_000));
  const rate = median(rounds.map((one) => one.rate));
  const commits = median(rounds.map((one) => one.commits));
  print(
    `journal, ${heads} heads: ${Math.round(rate)} durable notes/s (${(2_000 / commits).toFixed(1)} notes a commit)`,
  );
}

/** @param {number} cards @param {number} heads */
async function accountsRound(cards, heads) {
  const store = await openStore({ file: join(folder, `store-${cards}-${Math.random()}.db`) });
  const blanks = Array.from({ length: cards }, (_, index) => ({
    serial: /** @type {never} */ (`S${index}`),
    label: `L${index}`,
  }));
  await store.stock.receive({ lot: "L", blanks, by: "bench" });
  await store.orders.import({
    order: {
      order: "B",
      customer: "c",
      product: "p",
      input: { file: "f" },
      line: "l",
      environment: "test",
      keys: "k",
    },
    inputSha256: "00",
    records: blanks.map((_, index) => ({
      number: index + 1,
      row: index + 2,
      fields: { name: `Person ${index}`, department: "Extrusion", number: `E${index}`, premises: ["A1"] },
      photos: {},
    })),
    sealedDataKey: new Uint8Array(60),
    dataKey: new Uint8Array(32),
  });
  const before = store.commits();
  const began = performance.now();
  const hopper = blanks.values();
  const one = async () => {
    for (const { serial, label } of hopper) {
      await store.accounts.start({ label, order: "B", line: "l" });
      await store.accounts.bind({ serial, order: "B" });
      await store.accounts.finish({
        serial,
        end: { kind: "good" },
        history: { times: [{ station: "perso", head: 0, ms: 1 }], findings: [] },
      });
    }
  };
  await Promise.all(Array.from({ length: heads }, one));
  const seconds = (performance.now() - began) / 1000;
  const commits = (store.commits() - before) / cards;
  const report = performance.now();
  await store.reports.production({ order: "B", timeZone: "UTC", simulated: [], seconds });
  const reported = performance.now() - report;
  await store.close();
  return { rate: cards / seconds, commits, reported };
}

await accountsRound(200, 1);
for (const [cards, heads] of /** @type {const} */ ([
  [500, 1],
  [500, 8],
  [4_000, 8],
])) {
  const rounds = [];
  for (let round = 0; round < 3; round++) rounds.push(await accountsRound(cards, heads));
  print(
    `accounts, order of ${cards}, ${heads} heads: ${Math.round(median(rounds.map((one) => one.rate)))} cards/s (${median(rounds.map((one) => one.commits)).toFixed(2)} commits a card); report in ${Math.round(median(rounds.map((one) => one.reported)))} ms`,
  );
}
rmSync(folder, { recursive: true, force: true });
