/** A process that draws labels for one line until there is none, and begins each card. Arguments: database, line, order. */
import { openStore } from "./store.js";

const [, , file = "", line = "", order = ""] = process.argv;
const store = await openStore({ file });
process.stdout.write("ready\n");
// Both begin at the word, not when they happen to be up.
await new Promise((resolve) => process.stdin.once("data", resolve));
for (;;) {
  const label = await store.stock.draw({ begins: "CAFE", line });
  if (label === undefined) break;
  process.stdout.write(`drawn ${label}\n`);
  // A person writes it on the card meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 2));
  const started = await store.accounts.start({ label, order, line });
  process.stdout.write(`${started.ok ? "began" : "refused"} ${label}\n`);
}
await store.close();
process.exit();
