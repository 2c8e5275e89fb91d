import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hold, holdMachine, inMachineOf, servedBy } from "./body-hold.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "persoline-hold-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("a body is held once, and free again when it was let go", () => {
  const held = hold(dir);
  expect(hold(dir)).toEqual({ heldBy: `process ${String(process.pid)}` });
  expect(servedBy(dir)).toBe(`process ${String(process.pid)}`);
  if ("release" in held) held.release();
  expect(servedBy(dir)).toBeUndefined();
  expect("release" in hold(dir)).toBe(true);
});

test("what a killed process held, and a process that only bears its number, hold nothing", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  for (const pid of [child.pid, process.pid]) {
    writeFileSync(join(dir, "served.json"), JSON.stringify({ pid, began: "1" }));
    expect(servedBy(dir)).toBeUndefined();
    const held = hold(dir);
    expect("release" in held).toBe(true);
    if ("release" in held) held.release();
  }
});

test("bodies in the machine are those of the line that runs, all others are not, and none are when it has ended", () => {
  const [inside, outside] = ["machine/quality.head-0/000001-A", "good/T-1/000001-B"].map((place) =>
    join(dir, place),
  );
  expect(inMachineOf(dir, inside ?? "")).toBeUndefined();
  const held = holdMachine(dir, "carousel");
  expect(inMachineOf(dir, inside ?? "")).toEqual({
    line: "carousel",
    heldBy: `process ${String(process.pid)}`,
  });
  expect(inMachineOf(dir, outside ?? "")).toBeUndefined();
  if ("release" in held) held.release();
  expect(inMachineOf(dir, inside ?? "")).toBeUndefined();
  writeFileSync(join(dir, "machine-killed.json"), JSON.stringify({ pid: process.pid, began: "1" }));
  expect(inMachineOf(dir, inside ?? "")).toBeUndefined();
});
