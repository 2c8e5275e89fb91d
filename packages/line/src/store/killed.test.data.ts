/**
 * A process to be killed: takes up what lies in work, then makes cards until nobody waits. Tells each end on its standard output only
 * after it is durable. Arguments: database, journal, number of records.
 */
import type { Serial } from "@persoline/card/program";
import type { Blank } from "../ledger/types.js";
import type { OrderRecord } from "../orders/types.js";
import { openJournal } from "./journal.js";
import { openStore } from "./store.js";

const [, , file = "", journalFile = "", count = "0"] = process.argv;
const people = Number(count);
const key = new Uint8Array(32).fill(9);
const store = await openStore({ file });
const journal = await openJournal(journalFile);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const records = (): OrderRecord[] =>
  Array.from({ length: people }, (_, index) => ({
    number: index + 1,
    row: index + 2,
    fields: { name: `Person ${index + 1}` },
    photos: {},
  }));
const history = { times: [{ station: "perso", head: 0, ms: 5 }], findings: [] };
const note = (serial: Serial, event: "intent" | "done" | "passed", segment: number) =>
  journal.write({ serial, station: "perso", program: "office/perso", segment, event });

const cards = Array.from({ length: people * 3 }, (_, index) => ({
  serial: `CAFE${String(index).padStart(16, "0")}` as Serial,
  label: `K${index}`,
}));
if ((await store.stock.lots()).length === 0)
  await store.stock.receive({ lot: "K", blanks: cards, by: "test" });
if ((await store.orders.find("K-1")) === undefined)
  await store.orders.import({
    order: {
      order: "K-1",
      customer: "c",
      product: "p",
      input: { file: "k.csv" },
      line: "desk",
      environment: "test",
      keys: "k",
    },
    inputSha256: "00",
    records: records(),
    sealedDataKey: new Uint8Array(8),
    dataKey: key,
  });
store.orders.unlock("K-1", key);
say("ready");

async function end(serial: Serial, good: boolean): Promise<void> {
  await store.accounts.finish({
    serial,
    end: good
      ? { kind: "good" }
      : {
          kind: "rejected",
          station: "perso",
          code: "interrupted",
          detail: "killed",
          personalised: true,
          terminated: false,
        },
    history,
  });
  say(`${good ? "good" : "bad"} ${serial}`);
  await journal.forget([serial]);
}

// A card whose intent has no outcome is rejected here; one that was passed or never begun can go on.
const states = new Map((await journal.states()).map((state) => [state.serial, state]));
for (const { serial, record } of await store.accounts.inWork("desk")) {
  if (record === undefined)
    await store.accounts.finish({ serial, end: { kind: "restocked", stage: "blank" }, history });
  else await end(serial, states.get(serial)?.open === undefined && states.get(serial)?.passed.length === 1);
}

async function firstInStock(): Promise<Blank> {
  for await (const blank of store.stock.list({ state: "in-stock" })) return blank;
  throw new Error("no blanks left");
}

async function head(): Promise<void> {
  for (;;) {
    const blank = await firstInStock();
    const started = await store.accounts.start({ label: blank.label, order: "K-1", line: "desk" });
    if (!started.ok) continue;
    const { serial } = blank;
    const bound = await store.accounts.bind({ serial, order: "K-1" });
    if (bound === "none-waiting") {
      await store.accounts.finish({ serial, end: { kind: "restocked", stage: "blank" }, history });
      return;
    }
    for (const segment of [0, 1]) {
      await note(serial, "intent", segment);
      say(`intent ${serial} ${segment}`);
      await note(serial, "done", segment);
    }
    await note(serial, "passed", -1);
    await end(serial, true);
  }
}

const first = await store.accounts.progress("K-1");
if (first.waiting > 0) await Promise.all([head(), head()]);
say("finished");
await journal.close();
await store.close();
