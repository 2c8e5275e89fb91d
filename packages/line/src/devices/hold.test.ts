import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holderOf, take } from "./hold.js";

const here = `process ${String(process.pid)}`;
let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "persoline-hold-"));
  file = join(dir, "keys.json.office");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("it is held once, by a note that nobody else reads, and free again when it was let go", () => {
  const held = take(file);
  expect(take(file)).toEqual({ heldBy: here });
  expect(holderOf(file)).toBe(here);
  expect(statSync(file).mode & 0o077).toBe(0);
  if ("release" in held) held.release();
  expect(holderOf(file)).toBeUndefined();
  const again = take(file);
  // Whoever had it before lets go of nobody else's.
  if ("release" in held) held.release();
  expect(take(file)).toEqual({ heldBy: here });
  if ("release" in again) again.release();
  expect(readdirSync(dir)).toEqual([]);
});

test("a dead process, one that only bears its number, one that nobody has buried, and a damaged note hold nothing", async () => {
  const gone = spawn(process.execPath, ["-e", ""]);
  await once(gone, "exit");
  const notes = [gone.pid, process.pid].map((pid) => JSON.stringify({ pid, began: "1" }));
  // Its parent does not ask for its end before it has slept.
  const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"]);
  const [said] = (await once(parent.stdout, "data")) as [Buffer];
  const zombie = Number(said.toString());
  const stat = (): string => readFileSync(`/proc/${String(zombie)}/stat`, "utf8");
  while (!/\) Z /.test(stat())) await new Promise((done) => setTimeout(done, 5));
  const began = stat()
    .slice(stat().lastIndexOf(")") + 2)
    .split(" ")[19];
  notes.push(JSON.stringify({ pid: zombie, began }), "", "{");
  try {
    for (const note of notes) {
      writeFileSync(file, note);
      expect([note, holderOf(file)]).toEqual([note, undefined]);
      const held = take(file);
      expect([note, "release" in held, holderOf(file)]).toEqual([note, true, here]);
      if ("release" in held) held.release();
      expect(readdirSync(dir)).toEqual([]);
    }
  } finally {
    parent.kill();
  }
});

test("a process whose number means nothing here counts as living, and its note is named; one of before the last boot does not", () => {
  take(file);
  const own = JSON.parse(readFileSync(file, "utf8")) as { readonly place: Readonly<Record<string, string>> };
  const noted = (place: Readonly<Record<string, string>>) => {
    // As a number, it is nobody's.
    writeFileSync(file, JSON.stringify({ ...own, pid: 2 ** 22 + 1, place: { ...own.place, ...place } }));
    return holderOf(file);
  };
  const elsewhere = `process 4194305 of another container or machine, where this one cannot look; if it has ended there, remove ${file}`;
  expect(own.place["boot"]).toMatch(/^[0-9a-f-]{36}$/);
  expect(own.place["numbers"]).toMatch(/^pid:\[\d+\]$/);
  expect(noted({})).toBeUndefined();
  expect(noted({ boot: "before" })).toBeUndefined();
  expect(noted({ boot: "before", numbers: "pid:[1]" })).toBeUndefined();
  expect(noted({ boot: "its own", machine: "another" })).toBe(elsewhere);
  expect(noted({ numbers: "pid:[1]" })).toBe(elsewhere);
  expect(take(file)).toEqual({ heldBy: elsewhere });
  rmSync(file);
  expect(take(file)).toHaveProperty("release");
});

test("a note that cannot be read is told, and nothing is taken", () => {
  mkdirSync(file);
  expect(() => take(file)).toThrow(`${file}: this note says which process has what it stands for`);
  expect(readdirSync(dir)).toEqual(["keys.json.office"]);
});

test("of many that find a dead one's note at the same time one takes over", async () => {
  const rounds = 200;
  const notes = Array.from({ length: rounds }, (_, round) => join(dir, `note-${String(round)}`));
  for (const note of notes) writeFileSync(note, JSON.stringify({ pid: process.pid, began: "1" }));
  const begin = String(Date.now() + 1500);
  const hold = new URL("../../dist/devices/hold.js", import.meta.url).href;
  const script = `
    const { take } = await import(process.argv[1]);
    const [begin, ...notes] = process.argv.slice(2);
    while (Date.now() < Number(begin));
    const mine = notes.filter((note) => "release" in take(note)).length;
    process.stdout.write(String(mine));
    // It lives, and so it holds, until all have tried.
    process.stdin.resume();`;
  const rivals = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", script, hold, begin, ...notes], {
      stdio: ["pipe", "pipe", "inherit"],
    }),
  );
  const won = await Promise.all(
    rivals.map(async ({ stdout }) => Number(String((await once(stdout, "data"))[0]))),
  );
  for (const rival of rivals) {
    rival.stdin.end();
    await once(rival, "exit");
  }
  expect(won.reduce((sum, one) => sum + one)).toBe(rounds);
});
