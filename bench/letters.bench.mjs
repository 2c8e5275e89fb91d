// PIN letters of an order: the real vault, the real accounts, this disk. Every batch is durable before it is entered.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dataFolder } from "../packages/line/dist/app/data-folder.js";
import { numberLetters, releaseLetters } from "../packages/line/dist/app/letters.js";
import { pinSentence } from "../packages/line/dist/devices/hsm/order-policy.js";
import { createKeystore, openVault } from "../packages/line/dist/devices/hsm/vault.js";
import { openStore } from "../packages/line/dist/store/store.js";

const people = 2_000;
const order = "B-1";
const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

const data = dataFolder(folder);
const unlock = { keyFile: data.keyFile };
await createKeystore({
  file: data.keystore,
  environment: "test",
  unlock,
  keys: [{ name: "issuer", use: "scp03" }],
  letterPrinter: { writePrivateKeyTo: data.letterPrinterKey },
});
const hsm = await openVault({ file: data.keystore, unlock });
const store = await openStore({ file: data.database });
const serial = (/** @type {number} */ number) => /** @type {never} */ (`S${number}`);
const numbers = Array.from({ length: people }, (_, at) => at + 1);
await store.stock.receive({
  lot: "L",
  blanks: numbers.map((number) => ({ serial: serial(number), label: `L${number}` })),
  by: "bench",
});
const policy = [pinSentence({ name: "pin", length: 6 })];
const sealedDataKey = await hsm.createDataKey({ order, policy });
await store.orders.import({
  order: {
    order,
    customer: "c",
    product: "p",
    input: { file: "f" },
    line: "l",
    environment: "test",
    keys: "k",
  },
  inputSha256: "0",
  records: numbers.map((number) => ({
    number,
    row: number + 1,
    fields: { name: `Person ${number}` },
    photos: {},
  })),
  sealedDataKey,
  dataKey: await hsm.releaseDataKey({ order, sealed: sealedDataKey, policy }),
});
for (let first = 0; first < people; first += 64) {
  await Promise.all(
    numbers.slice(first, first + 64).map(async (record) => {
      const pin = await hsm.drawPin({ order, record, name: "pin", length: 6 });
      await store.orders.storePins(order, record, { pin });
      await store.accounts.start({ label: `L${record}`, order, line: "l" });
      await store.accounts.bind({ serial: serial(record), order });
    }),
  );
}
await Promise.all(
  numbers.map((record) =>
    store.accounts.finish({
      serial: serial(record),
      end: { kind: "good" },
      history: { times: [], findings: [] },
    }),
  ),
);
const began = performance.now();
const numbered = await numberLetters({ order, store, pins: [{ name: "pin", letter: true }] });
const between = performance.now();
const batches = await releaseLetters({ order, store, hsm, data, by: "one", witness: "two" });
const ended = performance.now();
const written = batches.reduce((sum, { letters }) => sum + letters, 0);
if (numbered !== people || written !== people || readdirSync(data.letters(order)).length !== batches.length)
  throw new Error("letters are missing");
print(
  `letters: ${people} numbered in ${((between - began) / people).toFixed(2)} ms each; released in ${batches.length} batches, ${((ended - between) / people).toFixed(2)} ms each`,
);
await store.close();
await hsm.close();
rmSync(folder, { recursive: true });
