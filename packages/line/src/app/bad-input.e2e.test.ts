/** What a user meets who hands over something wrong: it is said, with place and remedy; nothing moved, nothing is lost, nothing personal is shown. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";

let folder: string;
let data: string;
let line: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-bad-"));
  data = join(folder, "data");
  line = idealLine(folder, "ideal", (text) => text.replace(/count: \d+/, "count: 8"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (order: string, ...more: string[]): Ended =>
  persoline(["run", order, "--line", line, "--data", data, "--json", ...more]);
/** What keeps this from being a refusal in words, with nothing of how the program is built in them. */
function notRefused({ code, out, err }: Ended, ...texts: RegExp[]): string[] {
  return [
    ...(code === 1 ? [] : [`ended with ${String(code)}`]),
    ...(out === "" || Object.keys(JSON.parse(out) as object).join() === "error" ? [] : ["wrote a result"]),
    ...texts.filter((text) => !text.test(err)).map((text) => `${String(text)} is not in: ${err}`),
    ...(/\n\s+at |node:internal|should not have happened/.test(err)
      ? [`shows the program's inside: ${err}`]
      : []),
  ];
}
const cell = (row: string, from: RegExp, to: string): string => row.replace(from, to);

describe("an input file with everything wrong", () => {
  test("is told at once, row by row, with the shape of values and not the values; no card moves", () => {
    const order = smallOrder(folder, 6, (rows) => [
      rows[0] ?? "",
      cell(rows[1] ?? "", /HQ|LAB|PLANT-1|PLANT-2|STORE|DOCK|GARAGE|DATA/, "MOON"),
      rows[2] ?? "",
      cell(rows[3] ?? "", /PP-\d+(?!\.png)/, /PP-\d+/.exec(rows[2] ?? "")?.[0] ?? ""),
      cell(rows[4] ?? "", /[^,;]+\.png/, "nobody.png"),
      cell(rows[5] ?? "", /^[^,;]+/, "Canarina ".repeat(12).trim()),
    ]);
    const ended = run(order);
    expect(
      notRefused(
        ended,
        /employees\.csv:2 .*Premises/,
        /employees\.csv:4 .*Employee number/,
        /employees\.csv:5 .*Photo/,
        /employees\.csv:6 .*Full name/,
      ),
    ).toEqual([]);
    expect(ended.out + ended.err).not.toContain("Canarina");
    // Nothing was made for it: no order, no keys.
    expect(existsSync(join(data, "persoline.db"))).toBe(false);
    expect(existsSync(join(data, "keystore.json"))).toBe(false);
  });

  test("that is no CSV, no workbook or no JSON", () => {
    const order = smallOrder(folder, 2);
    for (const [name, content, text] of [
      ["broken.csv", 'Full name,Department\n"never closed', /broken\.csv/],
      ["broken.xlsx", "PK is not enough", /broken\.xlsx/],
      ["broken.json", '[{"Full name": ', /broken\.json/],
    ] as const) {
      writeFileSync(join(folder, name), content);
      const yaml = readFileSync(order, "utf8").replace(/file: [^,]+/, `file: ${name}`);
      writeFileSync(join(folder, "other.yaml"), yaml);
      expect(notRefused(run(join(folder, "other.yaml")), text)).toEqual([]);
    }
  });

  test("a name that fits its file but not its line on the card", () => {
    const order = smallOrder(folder, 2, (rows) => [
      rows[0] ?? "",
      cell(rows[1] ?? "", /^[^,;]+/, "W".repeat(58)),
      rows[2] ?? "",
    ]);
    expect(
      notRefused(run(order, "--line", idealLine(folder, "carousel")), /employees\.csv:2 .*name/),
    ).toEqual([]);
  });

  test("a photo that is no picture", () => {
    const order = smallOrder(folder, 2);
    const photo = /[^,;]+\.png/.exec(readFileSync(join(folder, "employees.csv"), "utf8"))?.[0] ?? "";
    writeFileSync(join(folder, "photos", photo), "not a picture");
    expect(notRefused(run(order), /employees\.csv:2 "Photo"/)).toEqual([]);
  });
});

describe("files of the line's own", () => {
  test("a slip in an order file is told with line and column, and what was meant", () => {
    const order = smallOrder(folder, 2);
    writeFileSync(order, readFileSync(order, "utf8").replace("customer:", "custmer:"));
    expect(notRefused(run(order), /order\.yaml:2:1 custmer/, /did you mean/i)).toEqual([]);
  });

  test("keys of the other environment, and a list without the product's keys, before anything is made", () => {
    const order = smallOrder(folder, 2);
    const keys = join(folder, "keys.yaml");
    writeFileSync(
      keys,
      "environment: live\nkeys:\n  - { name: fab-2026, use: application }\n  - { name: issuer-2026, use: scp03 }\n",
    );
    writeFileSync(order, readFileSync(order, "utf8").replace(/keys: .*/, "keys: keys.yaml"));
    expect(
      notRefused(
        run(order),
        /keys\.yaml: these keys are for live cards, and the order is for test ones/,
        /needs a key os-loader for "loader", which is not in this list/,
        /needs a key fab-2026 for "scp03", and here it is for "application"/,
      ),
    ).toEqual([]);
    expect(existsSync(data)).toBe(false);
  });

  test("a product whose files do not fit, and a line that leaves out a station", () => {
    const order = smallOrder(folder, 2);
    const wrong = join(folder, "wrong.yaml");
    writeFileSync(wrong, readFileSync(line, "utf8").replace(/ {2}- \{ name: completion.*\n/, ""));
    expect(notRefused(run(order, "--line", wrong), /wrong\.yaml/, /completion/)).toEqual([]);
  });
});

describe("circumstances", () => {
  test("a stock that is too small stops the whole and says how many blanks are missing; a larger one finishes it", () => {
    const order = smallOrder(folder, 12);
    const ended = run(order);
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(/4 more blanks are needed/);
    expect(JSON.parse(ended.out)).toMatchObject({ produced: 0, balanced: true });
    const delivery = "  - { lot: MORE, count: 10 }\n";
    writeFileSync(line, readFileSync(line, "utf8") + delivery);
    const again = run(order);
    expect(again.err).toBe("");
    expect(JSON.parse(again.out)).toMatchObject({ produced: 12, balanced: true });
  });

  test("an order whose input was changed after it was begun is refused", () => {
    const order = smallOrder(folder, 12);
    run(order);
    const csv = join(folder, "employees.csv");
    writeFileSync(csv, `${readFileSync(csv, "utf8")}\n`);
    expect(notRefused(run(order), /employees\.csv changed since order T-1 was begun/)).toEqual([]);
  });

  test("a wrong passphrase opens nothing and harms nothing", () => {
    const order = smallOrder(folder, 2);
    const words = ["run", order, "--line", line, "--data", data, "--json", "--passphrase-fd", "0"];
    const right = "the right passphrase\n";
    for (const [given, why] of [
      ["", /gives nothing/],
      ["a\n", /a keystore's passphrase has at least 12 characters/],
    ] as const)
      expect(notRefused(persoline(words, given), why)).toEqual([]);
    expect(existsSync(join(data, "keystore.json"))).toBe(false);
    expect(persoline(words, right).code).toBe(0);
    const none = persoline(["order", "result", "T-1", "--data", data, "--passphrase-fd", "0"], "\n");
    expect(notRefused(none, /gives nothing/)).toEqual([]);
    expect(existsSync(join(data, "keystore.json.tries"))).toBe(false);
    const wrong = persoline(["order", "result", "T-1", "--data", data, "--passphrase-fd", "0"], "wrong\n");
    expect(notRefused(wrong, /does not open this keystore/)).toEqual([]);
    expect(persoline(["order", "result", "T-1", "--data", data, "--passphrase-fd", "0"], right).code).toBe(0);
  });

  test("a database of a newer version is left alone", () => {
    const order = smallOrder(folder, 2);
    expect(run(order).code).toBe(0);
    const database = new Database(join(data, "persoline.db"));
    database.prepare("insert into migrations values (999, 'from the future', '2030-01-01')").run();
    database.close();
    expect(notRefused(persoline(["order", "list", "--data", data]), /newer/)).toEqual([]);
  });

  test("a disk that is full stops the line before the next card; with room again the order is finished", () => {
    mkdirSync(data);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=17m", "tmpfs", data]);
    try {
      const order = smallOrder(folder, 6);
      const ended = run(order);
      expect(ended.code).toBe(1);
      expect(ended.err).toMatch(/MiB|disk is full|no space/i);
      expect(ended.err).not.toMatch(/\n\s+at /);
      execFileSync("mount", ["-o", "remount,size=200m", data]);
      const again = run(order);
      expect(again.err).toBe("");
      expect(JSON.parse(again.out)).toMatchObject({ produced: 6, balanced: true });
    } finally {
      execFileSync("umount", [data]);
    }
  });
});

describe("the command line itself", () => {
  test("a slip in an option is answered with the one that was meant, and 2", () => {
    const ended = persoline(["run", "order.yaml", "--sed", "7"]);
    expect(ended).toMatchObject({ code: 2, out: "" });
    expect(ended.err).toContain("--seed");
    const json = persoline(["run", "order.yaml", "--sed", "7", "--json"]);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: "usage" } });
    expect(json.err).toContain("--seed");
  });
});
