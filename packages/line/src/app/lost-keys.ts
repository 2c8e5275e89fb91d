/** A data folder that has lost its keys: others in their place would open nothing of it, and write over what the lost ones still need. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, relative } from "node:path";
import type { Store } from "../store/store.js";
import { ordersBeside } from "../devices/hsm/order-shelf.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

/**
 * Where `kept` (keystore, or register of a token's keys) is missing: throws Refusal when something in the folder was made with its keys.
 * `store`: the folder's database, where it is open already.
 */
export async function mustHaveLostNoKeys(data: DataFolder, kept: string, store?: Store): Promise<void> {
  if (existsSync(kept)) return;
  const secrets = ordersBeside(kept);
  const needs = [...(await ordersOf(data, store)), ...traces(data, secrets)];
  const halves = [data.letterPrinterKey, data.stripeEncoderKey]
    .filter((file) => existsSync(file))
    .map((file) => basename(file));
  if (needs.length === 0 && halves.length === 0) return;
  const name = basename(kept);
  const beside = kept === data.keystore ? " (and keystore.key, where no passphrase opens it)" : "";
  const remedy = `put ${name}${beside} back from a backup, or name a new data folder with --data`;
  throw new Refusal(
    needs.length > 0
      ? `${kept} is missing, and what is in this data folder was made with its keys: ${[...needs, ...halves].join(", ")}. Nothing was made or changed, for other keys open none of it: ${remedy}`
      : `${kept} is missing, and ${halves.join(" and ")} may be the only private half of its keys. Nothing was made or changed: ${remedy}; if there never was a keystore here (its making was interrupted), move ${halves.join(" and ")} away and run the same command again`,
  );
}

async function ordersOf(data: DataFolder, store: Store | undefined): Promise<readonly string[]> {
  if (!existsSync(data.database)) return [];
  const told = async (open: Store): Promise<readonly string[]> => {
    const orders = await open.orders.list();
    const some = orders.slice(0, 3).map(({ order }) => order);
    return orders.length === 0
      ? []
      : [`${orders.length === 1 ? "order" : "orders"} ${some.join(", ")}${orders.length > 3 ? ", …" : ""}`];
  };
  if (store !== undefined) return told(store);
  const { openStore } = await import("../store/store.js");
  const opened = await openStore({ file: data.database });
  try {
    return await told(opened);
  } finally {
    await opened.close();
  }
}

/** What the lost keys signed, and orders' secrets under them. */
function traces(data: DataFolder, secrets: string): readonly string[] {
  const files = [data.auditHeads, data.officeActs].filter(
    (file) => existsSync(file) && statSync(file).size > 0,
  );
  const hasRecords = existsSync(data.ceremonies) && readdirSync(data.ceremonies).length > 0;
  return [...files, ...(hasRecords ? [data.ceremonies] : []), ...(existsSync(secrets) ? [secrets] : [])].map(
    (file) => relative(data.root, file),
  );
}
