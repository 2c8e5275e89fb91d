import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { blanks, folder, importAsk } from "./sample.test.data.js";
import { openStore } from "./store.js";

const script = fileURLToPath(new URL("../../dist/store/draw-labels.test.data.js", import.meta.url));
const many = 60;
const chips = (from: number) =>
  blanks(many, from).map(({ label }, at) => ({
    label,
    serial: `CAFE${String(at).padStart(16, "0")}` as never,
  }));

test("two lines in two processes number cards from one stock: no number is told twice", async () => {
  const file = join(folder(), "persoline.db");
  const store = await openStore({ file });
  await store.stock.receive({ lot: "L1", blanks: chips(1), by: "Ada" });
  await store.orders.import(importAsk(many));
  await store.close();

  const told: string[] = [];
  const lines = ["desk-one", "desk-two"].map((line) => {
    const child = spawn(process.execPath, [script, file, line, "A-1"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    const ready = new Promise<void>((resolve) => {
      child.stdout.on("data", (part: Buffer) => {
        text += part.toString();
        if (text.includes("ready")) resolve();
      });
    });
    const ended = new Promise<number | null>((resolve) => {
      child.on("close", (code) => {
        told.push(...text.trim().split("\n").slice(1));
        resolve(code);
      });
    });
    return { child, ready, ended, drew: () => text.split("drawn").length - 1 };
  });
  await Promise.all(lines.map(({ ready }) => ready));
  for (const { child } of lines) child.stdin.end("go");
  expect(await Promise.all(lines.map(({ ended }) => ended))).toEqual([0, 0]);

  const drawn = told.filter((one) => one.startsWith("drawn"));
  expect(drawn).toHaveLength(many);
  expect(new Set(drawn).size).toBe(many);
  expect(told.filter((one) => one.startsWith("refused"))).toEqual([]);
  // Or it would not have been a contest.
  for (const { drew } of lines) expect(drew()).toBeGreaterThan(0);
});
