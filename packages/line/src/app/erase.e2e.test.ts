import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStore } from "../store/store.js";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";

const people = 4;
/** Names that nobody has, in letters whose UTF-8 is not their Latin-1. */
const names = Array.from({ length: people }, (_, at) => `Canária Żółć-${String(at)}`);
const department = "Kanarienvögel";
let folder: string;
let data: string;

const run = (...words: string[]): Ended => persoline([...words, "--data", data]);
const said = (...words: string[]): string => {
  const { code, out, err } = run(...words);
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${String(code)}: ${err}`);
  return out;
};

/** Files of the data folder in which one of these is found. The shop floor is the cards themselves, which show who they are for. */
function leaks(canaries: readonly string[]): string[] {
  return readdirSync(data, { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith("shop-floor") && statSync(join(data, name)).isFile())
    .filter((name) => {
      const content = readFileSync(join(data, name));
      return canaries.some((one) => content.includes(one) || content.includes(Buffer.from(one, "utf16le")));
    });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-erase-"));
  data = join(folder, "data");
  const order = smallOrder(folder, people, ([head = "", ...rows]) => {
    const columns = head.split(",");
    return [
      head,
      ...rows.map((row, at) => {
        const cells = row.split(",");
        cells[columns.indexOf("Full name")] = names[at] ?? "";
        cells[columns.indexOf("Department")] = department;
        return cells.join(",");
      }),
    ];
  });
  const line = idealLine(folder, "carousel", (text) =>
    text.replace(
      /stock:[\s\S]*/,
      "stock: [{ lot: L1, count: 9, flaws: [{ blanks: { number: 2 }, flaw: missing-line front name }] }]\n",
    ),
  );
  said("run", order, "--line", line);
  said("order", "result", "T-1");
  said("letters", "release", "T-1", "--by", "Ada", "--witness", "Bo");
  said("order", "deliver", "T-1", "--by", "Ada");
});
/** Which of the order's secrets the module has destroyed. */
const destroyed = (): string[] =>
  readdirSync(join(data, "keystore.json.orders"))
    .filter((name) => readFileSync(join(data, "keystore.json.orders", name), "utf8").includes("destroyed"))
    .map((name) => name.split(".").at(-1) ?? "");
afterAll(() => rmSync(folder, { recursive: true }));

test("what is erased is found nowhere in the data folder, and what is counted is there as before", async () => {
  const erase = (...more: string[]): Ended => run("order", "erase", "T-1", "--by", "Ada", ...more);
  expect(erase("--and", "Bo").err).toMatch(/delivered.*closed/);
  expect(destroyed()).toEqual(["until-delivery"]);
  said("stock", "destroy", "--rejects", "T-1", "--reason", "end", "--by", "Ada", "--witness", "Bo");
  said("order", "close", "T-1", "--by", "Ada");
  expect(erase("--and", " ADA").err).toMatch(/two different people/);
  expect(erase().code).toBe(2);
  // The names stand in the access register, the pictures in the page.
  expect(leaks(names)).toContain("persoline.db");
  const page = join(data, "reports/T-1/report.html");
  expect(readFileSync(page, "utf8")).toContain("data:image");
  const before = JSON.parse(said("report", "production", "T-1", "--json")) as object;

  // Interrupted after the accounts, before module and files: the same command does the rest.
  const store = await openStore({ file: join(data, "persoline.db") });
  await store.orders.erase({ order: "T-1", by: "Ada", approvedBy: "Bo" });
  await store.close();
  expect(existsSync(join(data, "pictures/T-1"))).toBe(true);
  const ended = erase("--and", "Bo", "--json");
  expect(ended).toMatchObject({ code: 0, err: "" });
  // Two sides of each card that was looked at, the rejected side as it was judged, a batch of letters, the page, and the result with its signature.
  expect(JSON.parse(ended.out)).toMatchObject({ order: "T-1", state: "erased", files: 2 * 5 + 1 + 1 + 3 });

  expect(leaks([...names, department])).toEqual([]);
  expect(destroyed()).toEqual(["until-delivery", "until-erasure"]);
  for (const gone of ["pictures/T-1", "letters/T-1", "reports/T-1/result.txt"])
    expect(existsSync(join(data, gone))).toBe(false);
  expect(readFileSync(page, "utf8")).not.toContain("data:image");
  expect(readFileSync(page, "utf8")).toContain("accounts balance");
  const after = JSON.parse(said("report", "production", "T-1", "--json")) as object;
  expect({ ...after, written: "" }).toEqual({ ...before, written: "" });
  expect(JSON.parse(said("stock", "list", "--json"))).toMatchObject({
    totals: { received: 9, good: 4, destroyed: 1 },
  });
  expect(said("order", "show", "T-1")).toMatch(/state +erased\n(.*\n)*records +4: 4 produced/);
  const again = await openStore({ file: join(data, "persoline.db") });
  const told: unknown[] = [];
  for await (const { what, who, detail } of again.audit.entries())
    if (/^order\.(erase|swept)/.test(what)) told.push([what, who, detail]);
  expect(told).toEqual([
    ["order.erase", "Ada", { records: 4, approvedBy: "Bo", holders: "keep" }],
    ["order.swept", "Ada", { files: 15 }],
  ]);
  await again.close();
});
