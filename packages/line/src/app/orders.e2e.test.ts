/** Several orders in one data folder: one stock, one set of accounts, and for each order a place, letters and reports of its own. */
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { begun, type Ended, idealLine, persoline, root, smallOrder } from "./command.test.data.js";

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-orders-"));
  data = join(folder, "data");
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (order: string, line: string, ...more: string[]): Ended =>
  persoline(["run", order, "--line", line, "--data", data, "--json", ...more]);

test("two orders, one after the other, from one stock", () => {
  const line = idealLine(folder, "ideal", (text) =>
    text.replace(
      /stock:[\s\S]*/,
      "stock:\n  - { lot: L1, count: 8, faults: [{ blanks: { number: 2 }, fault: { kind: dead } }] }\n",
    ),
  );
  const first = run(smallOrder(join(folder, "first"), 3), line);
  expect(first.err).toBe("");
  const withoutTheFirst = ([head = "", , ...others]: string[]): string[] => [head, ...others];
  const second = run(smallOrder(join(folder, "second"), 4, withoutTheFirst, "T-2"), line);
  expect(second.err).toBe("");
  expect(JSON.parse(first.out)).toMatchObject({ order: "T-1", produced: 3, balanced: true });
  expect(JSON.parse(second.out)).toMatchObject({ order: "T-2", produced: 3, balanced: true });
  for (const order of ["T-1", "T-2"]) {
    expect(readdirSync(join(data, "shop-floor/good", order)).map((name) => name.slice(0, 6))).toEqual([
      "000001",
      "000002",
      "000003",
    ]);
    const letters = persoline(["letters", "list", order, "--data", data, "--json"]);
    expect(JSON.parse(letters.out)).toHaveLength(3);
    expect(existsSync(join(data, "reports", order, "report.html"))).toBe(true);
  }
  const count = (state: string): number =>
    (JSON.parse(persoline(["stock", "list", "--state", state, "--data", data, "--json"]).out) as unknown[])
      .length;
  expect([count("good"), count("rejected"), count("in-stock")]).toEqual([6, 1, 1]);
});

const stock =
  (count: number, dead = 0) =>
  (text: string): string =>
    text.replace(
      /stock:[\s\S]*/,
      `stock:\n  - { lot: L1, count: ${String(count)}${dead === 0 ? "" : `, faults: [{ blanks: ${String(dead)}, fault: { kind: dead } }]`} }\n`,
    );
/** Nothing went wrong inside the program, and nothing was made. */
function refused(ended: Ended, ...told: (RegExp | string)[]): void {
  expect(ended.code).toBe(1);
  expect(Object.keys(JSON.parse(ended.out) as object)).toEqual(["error"]);
  expect(ended.err).not.toMatch(/\n\s+at |should not have happened/);
  const missing = told.filter((text) =>
    typeof text === "string" ? !ended.err.includes(text) : !text.test(ended.err),
  );
  expect({ missing, told: ended.err }).toEqual({ missing: [], told: ended.err });
}
/** Every body and where it lies. */
const bodies = (): string[] =>
  readdirSync(join(data, "shop-floor"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\d{6}-L1-\d{6}$/.test(name))
    .sort();

/** Kills the run as soon as a body lies in the machine. */
async function interrupted(order: string, line: string): Promise<void> {
  const child = begun(["run", order, "--line", line, "--data", data, "--json"]);
  const ended = once(child, "exit");
  while (!existsSync(data) || !inWork()) {
    await sleep(5);
    expect(child.exitCode).toBeNull();
  }
  child.kill("SIGKILL");
  await ended;
}
function inWork(): boolean {
  try {
    const database = new Database(join(data, "persoline.db"), { readonly: true });
    try {
      return (
        database.prepare("select 1 from blanks where state = 'in-process' and record is not null").get() !==
        undefined
      );
    } finally {
      database.close();
    }
  } catch {
    return false;
  }
}

describe("cards of an interrupted order in the machine", () => {
  test("are for no other order and no other line: both are refused before anything moves, and told how to go on", async () => {
    const line = idealLine(folder, "ideal", stock(12));
    const other = join(folder, "other.yaml");
    writeFileSync(other, readFileSync(line, "utf8").replace("line: ideal", "line: other"));
    const order = smallOrder(join(folder, "first"), 4);
    const second = smallOrder(join(folder, "second"), 5, ([head = "", , ...rest]) => [head, ...rest], "T-2");
    await interrupted(order, line);
    const before = bodies();
    const command = `persoline run ${order} --line ${line} --data ${data}`;
    refused(run(second, line), /line ideal has \d+ cards? of order T-1 in work/, command);
    refused(run(second, other), /line ideal has \d+ cards? of order T-1 in work/, command);
    refused(run(order, other), /T-1 was begun on line ideal/, line, command);
    expect(bodies()).toEqual(before);
    expect(persoline(["order", "list", "--data", data, "--json"]).out).not.toContain("T-2");
    const whole = run(order, line);
    expect(whole.err).toBe("");
    expect(JSON.parse(whole.out)).toMatchObject({ produced: 4, balanced: true, blanks: { rejected: 0 } });
    expect(JSON.parse(run(second, other).out)).toMatchObject({ produced: 4, balanced: true });
  });
});

describe("an interruption after the last card", () => {
  test("before the reports: the same command writes them, once; letters wait for two people", () => {
    const line = idealLine(folder, "ideal", stock(8));
    const order = smallOrder(folder, 3);
    mkdirSync(data);
    // The run ends where it wants to write into this folder.
    writeFileSync(join(data, "reports"), "");
    expect(run(order, line).code).not.toBe(0);
    const state = (): string =>
      (JSON.parse(persoline(["order", "show", "T-1", "--data", data, "--json"]).out) as { state: string })
        .state;
    expect(state()).toBe("produced");
    rmSync(join(data, "reports"));
    const whole = run(order, line);
    expect(whole).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(whole.out)).toMatchObject({ produced: 3, balanced: true, blanks: { used: 3 } });
    const proof = {
      good: 3,
      told: 3,
      read: { cards: 3, shown: 6 },
      mac: { cards: 3, shown: 6 },
      authenticated: { cards: 3, shown: 3 },
      keys: { cards: 3, shown: 3 },
      states: { cards: 3, shown: 6 },
      pin: { "all 3 tries left": 3 },
    };
    expect(JSON.parse(whole.out)).toMatchObject({ proof });
    const told = persoline(["order", "show", "T-1", "--cards", "--data", data]).out;
    expect(told.match(/^\d+(?= +[0-9A-F]{20} )/gm)).toEqual(["1", "2", "3"]);
    expect(told).toMatch(
      /Electrical proof of the good cards:\n(.*\n)*unreadable files by MAC +3 of 3 \(6 files\)\n(.*\n)*PIN: all 3 tries left +3 of 3\n(.*\n)*3 +[0-9A-F]{20} +files read 2; files by MAC 2; /,
    );
    expect(readdirSync(join(data, "reports/T-1")).sort()).toEqual([
      "cards.csv",
      "report.html",
      "report.json",
    ]);
    const report = JSON.parse(readFileSync(join(data, "reports/T-1/report.json"), "utf8")) as {
      seconds: number;
    };
    expect(report.seconds).toBeGreaterThan(0);
    refused(run(order, line), "order T-1 is produced: it was made already");
    refused(
      persoline(["order", "deliver", "T-1", "--data", data, "--json"]),
      "3 PIN letters of order T-1 are not released",
      "persoline letters release T-1",
    );
    const two = ["--by", "Ada", "--witness", "Bo"];
    expect(persoline(["letters", "release", "T-1", ...two, "--data", data]).code).toBe(0);
    expect(persoline(["order", "deliver", "T-1", "--data", data]).out).toMatch(/3 cards are in the access/);
  });
});

describe("an order that is taken up again", () => {
  test("is made from the same files or not at all", () => {
    const products = join(folder, "products");
    cpSync(join(root, "examples/products"), products, { recursive: true });
    const order = smallOrder(folder, 3);
    const edit = (file: string, change: (text: string) => string): (() => void) => {
      const kept = readFileSync(file);
      writeFileSync(file, change(kept.toString("latin1")), "latin1");
      return () => writeFileSync(file, kept);
    };
    edit(order, (text) => text.replace(/product: .*/, `product: ${products}/office-access/product.yaml`));
    const few = idealLine(folder, "ideal", stock(2));
    const office = join(products, "office-access");
    expect(run(order, few).err).toMatch(/1 more blank is needed/);
    const photo = readdirSync(join(folder, "photos")).sort()[0] ?? "";
    const changes: readonly (readonly [
      file: string,
      change: (text: string) => string,
      told: RegExp | string,
    ])[] = [
      [join(office, "product.yaml"), (text) => `${text}# \n`, join(office, "product.yaml")],
      [join(office, "layout/front.yaml"), (text) => `${text}# \n`, join(office, "layout/front.yaml")],
      [join(office, "layout/emboss.yaml"), (text) => `${text}# \n`, join(office, "layout/emboss.yaml")],
      [order, (text) => text.replace("customer: Poly", "customer: Mono"), `the settings in ${order}`],
      [join(folder, "employees.csv"), (text) => `${text}\n`, join(folder, "employees.csv")],
      [join(folder, "photos", photo), (text) => `${text} `, /the photo of row \d of .*employees\.csv/],
    ];
    for (const [file, change, told] of changes) {
      const before = bodies();
      const restore = edit(file, change);
      const ended = run(order, few);
      refused(ended, told, "changed since order T-1 was begun", "restore it, or make a new order");
      expect(ended.err).not.toContain(photo);
      expect(bodies()).toEqual(before);
      restore();
    }
    const enough = idealLine(folder, "ideal", (text) => `${stock(2)(text)}  - { lot: L2, count: 2 }\n`);
    edit(order, (text) => `# The line may change, and comments.\n${text}`);
    expect(JSON.parse(run(order, enough).out)).toMatchObject({ produced: 3, balanced: true });
  });

  test("needs neither input nor photos any more: its records are sealed; what is there must be the same", async () => {
    const line = idealLine(folder, "ideal", stock(12));
    const order = smallOrder(join(folder, "first"), 4);
    const pictures = join(folder, "first/photos");
    await interrupted(order, line);
    // A card is bound and in the machine: nobody else can go on with it.
    const [lost = "", kept = ""] = readdirSync(pictures).sort();
    rmSync(join(pictures, lost));
    const photo = readFileSync(join(pictures, kept));
    writeFileSync(join(pictures, kept), "another face");
    const ended = run(order, line);
    refused(ended, /^(?!.*more).*the photo of row \d of .*employees\.csv changed since order T-1/);
    writeFileSync(join(pictures, kept), photo);
    rmSync(pictures, { recursive: true });
    const whole = run(order, line);
    expect(whole.err).toBe("");
    expect(JSON.parse(whole.out)).toMatchObject({ produced: 4, balanced: true, blanks: { rejected: 0 } });

    const second = smallOrder(
      join(folder, "second"),
      6,
      ([head = "", ...rest]) => [head, ...rest.slice(4)],
      "T-2",
    );
    rmSync(join(folder, "second/employees.csv"));
    refused(run(second, line), /order\.yaml:\d+.*employees\.csv does not exist/s);
    smallOrder(join(folder, "second"), 6, ([head = "", ...rest]) => [head, ...rest.slice(4)], "T-2");
    expect(persoline(["order", "import", second, "--data", data]).code).toBe(0);
    rmSync(join(folder, "second/employees.csv"));
    rmSync(join(folder, "second/photos"), { recursive: true });
    expect(JSON.parse(run(second, line).out)).toMatchObject({ produced: 2, balanced: true });
    const database = new Database(join(data, "persoline.db"), { readonly: true });
    const gone = database
      .prepare(
        "select detail from audit where what = 'order.take-up' and detail is not null order by sequence",
      )
      .pluck()
      .all();
    database.close();
    expect(gone).toEqual(['{"inputGone":false,"photosGone":4}', '{"inputGone":true,"photosGone":0}']);
  });

  test("keeps its seed; the next order may have another, with blanks of the same lot", () => {
    const order = smallOrder(join(folder, "first"), 2);
    const line = (count: number): string => idealLine(folder, "ideal", stock(count));
    const seedOf = (number: string): unknown => {
      const database = new Database(join(data, "persoline.db"), { readonly: true });
      const seed = database.prepare("select seed from orders where order_number = ?").pluck().get(number);
      database.close();
      return seed;
    };
    expect(run(order, line(1), "--seed", "7").err).toMatch(/1 more blank is needed/);
    refused(run(order, line(1), "--seed", "8"), "order T-1 was begun with seed 7");
    const more = idealLine(folder, "ideal", (text) => `${stock(1)(text)}  - { lot: L2, count: 6 }\n`);
    expect(JSON.parse(run(order, more).out)).toMatchObject({ produced: 2, balanced: true });
    expect(seedOf("T-1")).toBe(7);
    const second = smallOrder(join(folder, "second"), 3, ([head = "", , ...rest]) => [head, ...rest], "T-2");
    expect(JSON.parse(run(second, more, "--seed", "8").out)).toMatchObject({ produced: 2, balanced: true });
    expect(seedOf("T-2")).toBe(8);
  });
});

test("whatever cannot be opened ends the run with its reason, and nothing is left running", () => {
  const line = idealLine(folder, "ideal", stock(4));
  const order = smallOrder(folder, 2);
  mkdirSync(data);
  for (const what of ["pictures", "journal-ideal.db"]) {
    writeFileSync(join(data, what), "This is neither a folder nor a journal. ".repeat(200));
    const began = performance.now();
    const ended = run(order, line);
    expect(ended.code).toBe(1);
    expect(ended.err).toContain(what);
    expect(performance.now() - began).toBeLessThan(15_000);
    rmSync(join(data, what));
  }
  expect(JSON.parse(run(order, line).out)).toMatchObject({ produced: 2, balanced: true });
});

test("an import that was killed is listed, and two people erase what it left", () => {
  const order = smallOrder(folder, 2);
  const said = (...words: string[]): Ended => persoline([...words, "--data", data]);
  expect(said("order", "import", order)).toMatchObject({ code: 0, err: "" });
  // As a kill leaves it: its pages are there, and its last step is not.
  const database = new Database(join(data, "persoline.db"));
  database.prepare("update orders set imported_at = null").run();
  database.close();
  const listed = (): unknown => JSON.parse(said("order", "list", "--json").out);
  expect(listed()).toMatchObject([{ order: "T-1", state: "import interrupted" }]);
  expect(said("order", "list").out).toContain("import interrupted");
  const erase = (second: string): Ended => said("order", "erase", "T-1", "--by", "Ada", "--and", second);
  expect(erase("ada").err).toContain("two different people");
  expect(listed()).toHaveLength(1);
  expect(erase("Bo")).toMatchObject({ code: 0, err: "" });
  expect(listed()).toEqual([]);
  const left = new Database(join(data, "persoline.db"));
  expect(left.prepare("select count(*) as count from record_data").get()).toEqual({ count: 0 });
  left.close();
  const secrets = join(data, "keystore.json.orders");
  expect(readdirSync(secrets).map((name) => readFileSync(join(secrets, name), "utf8"))).toEqual([
    "persoline: destroyed\n",
    "persoline: destroyed\n",
  ]);
  expect(erase("Bo").err).toContain("there is no order T-1 here");
});
