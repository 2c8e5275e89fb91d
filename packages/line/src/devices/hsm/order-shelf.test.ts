/** Processes of one data folder that make and end the same orders' secrets at the same moment. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ordersBeside, shelfOf } from "./order-shelf.js";

const note = "persoline: destroyed\n";
let folder: string;
let kept: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-shelf-"));
  kept = join(folder, "keystore.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("trip over none of each other's drafts, and every secret ends as the note", async () => {
  const orders = 150;
  const script = `
    const [module, kept, note, begin, orders, part] = process.argv.slice(1);
    const shelf = (await import(module)).shelfOf(kept);
    while (Date.now() < Number(begin));
    const problems = [];
    for (let at = 0; at < Number(orders); at++)
      try {
        if (part === "makes") shelf.put(String(at), Buffer.alloc(60, 7));
        else shelf.destroy(String(at), Buffer.from(note));
      } catch (problem) {
        problems.push(problem.message);
      }
    process.stdout.write(JSON.stringify(problems));`;
  const shelf = shelfOf(kept);
  for (let at = 0; at < orders; at++) shelf.put(String(at), Buffer.alloc(60, 7));
  const module = new URL("../../../dist/devices/hsm/order-shelf.js", import.meta.url).href;
  const begin = String(Date.now() + 1500);
  const told = await Promise.all(
    ["ends", "ends", "ends", "makes"].map(async (part) => {
      const rival = spawn(
        process.execPath,
        ["--input-type=module", "-e", script, module, kept, note, begin, String(orders), part],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const [said] = (await once(rival.stdout, "data")) as [Buffer];
      await once(rival, "exit");
      return said.toString();
    }),
  );
  expect(told).toEqual(["[]", "[]", "[]", "[]"]);
  const files = readdirSync(ordersBeside(kept));
  expect(files).toHaveLength(orders);
  expect(new Set(files.map((name) => readFileSync(join(ordersBeside(kept), name), "utf8")))).toEqual(
    new Set([note]),
  );
}, 60_000);

test("leave each other's notes that are being written, and take what a killed maker left", () => {
  const shelf = shelfOf(kept);
  shelf.put("one", Buffer.alloc(60, 7));
  const draft = (text: string) => join(ordersBeside(kept), `one.${text}.new`);
  writeFileSync(draft("0000000000000001"), note.slice(0, 9));
  writeFileSync(draft("0000000000000002"), Buffer.alloc(60, 7));
  writeFileSync(join(ordersBeside(kept), "one.two"), "another's");
  shelf.destroy("one", Buffer.from(note));
  expect(readdirSync(ordersBeside(kept)).toSorted()).toEqual(["one", "one.0000000000000001.new", "one.two"]);
});

test("say what is wrong where it is not the disk's room", () => {
  const shelf = shelfOf(kept);
  mkdirSync(join(ordersBeside(kept), "one"), { recursive: true });
  expect(() => shelf.destroy("one", Buffer.from(note))).toThrow(
    /could not be written \(EISDIR.*\): see to that,/,
  );
});
