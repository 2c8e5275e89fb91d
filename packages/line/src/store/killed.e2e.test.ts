import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { chance } from "../ledger/rehearsal.test.data.js";
import { folder } from "./sample.test.data.js";
import { openStore } from "./store.js";
import { openJournal } from "./journal.js";

const script = fileURLToPath(new URL("../../dist/store/killed.test.data.js", import.meta.url));

/** Runs the child; kills it so long after it was ready, if told. What it said is durable, or it lied. */
function run(words: readonly string[], killAfter?: number): Promise<{ code: number | null; said: string[] }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...words], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    let timer: NodeJS.Timeout | undefined;
    child.stdout.on("data", (part: Buffer) => {
      text += part.toString();
      if (killAfter !== undefined && timer === undefined && text.includes("ready"))
        timer = setTimeout(() => child.kill("SIGKILL"), killAfter);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, said: text.split("\n").slice(0, -1) });
    });
  });
}

test("killed again and again, the line's accounts and journal lose nothing and count nothing twice", async () => {
  const place = folder();
  const file = join(place, "persoline.db");
  const journal = join(place, "journal.db");
  const people = 250;
  const words = [file, journal, String(people)];
  const pick = chance(3);
  const ended = new Map<string, string>();
  let kills = 0;
  for (let round = 0; round < 10; round++) {
    const { code, said } = await run(words, 10 + pick(150));
    if (code === null) kills++;
    for (const line of said) {
      const [end = "", card = ""] = line.split(" ");
      if (end !== "good" && end !== "bad") continue;
      expect(ended.get(card) ?? end).toBe(end);
      ended.set(card, end);
    }
    // Opening counts everything anew and throws when a sum differs.
    const store = await openStore({ file });
    for (const [card, end] of ended)
      expect((await store.stock.find(card as never))?.state).toBe(end === "good" ? "good" : "rejected");
    expect(await store.audit.verify()).toMatchObject({ ok: true });
    await store.close();
    // Every intent that was told durable is there, or its card has ended.
    const open = await openJournal(journal);
    const known = new Map((await open.states()).map((state) => [state.serial as string, state]));
    const lost: string[] = [];
    const database = new Database(file, { readonly: true });
    const stateOf = database.prepare<[string], { state: string }>(
      "select state from blanks where serial = ?",
    );
    for (const line of said) {
      const [what, card = ""] = line.split(" ");
      if (what !== "intent" || known.has(card)) continue;
      const state = stateOf.get(card)?.state ?? "";
      if (state !== "good" && state !== "rejected") lost.push(card);
    }
    database.close();
    expect(lost).toEqual([]);
    await open.close();
  }
  expect(kills).toBeGreaterThan(3);
  const { code, said } = await run(words);
  expect(code).toBe(0);
  expect(said.at(-1)).toBe("finished");
  const store = await openStore({ file });
  const totals = await store.accounts.recount();
  expect(totals).toMatchObject({ good: people, inProcess: 0, received: people * 3 });
  expect(await store.accounts.progress("K-1")).toMatchObject({ produced: people, waiting: 0 });
  expect((await store.reports.reconcile("K-1")).agree).toBe(true);
  expect(await store.audit.verify()).toMatchObject({ ok: true });
  await store.close();
});

test("a second process on the same line is refused, and may run once the first is dead", async () => {
  const place = folder();
  const words = [join(place, "persoline.db"), join(place, "journal.db"), "400"];
  const first = spawn(process.execPath, [script, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((ready) => first.stdout.once("data", ready));
  await expect(openJournal(join(place, "journal.db"))).rejects.toMatchObject({ reason: "busy" });
  first.kill("SIGKILL");
  await new Promise((gone) => first.once("close", gone));
  const journal = await openJournal(join(place, "journal.db"));
  await journal.close();
});
