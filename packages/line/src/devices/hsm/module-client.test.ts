/** The line's end of a module's process: back-pressure, and what its process gives away. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { KeyRef, Serial, SessionId } from "@persoline/card/program";
import { expect, onTestFinished, test } from "vitest";
import { fakeModule } from "./fake-module.test.data.js";
import { OfficeRefusal } from "./office/refusal.js";
import { callsAtOnce, createKeystore, openVault } from "./vault.js";

const channel = { protocol: "loader", keys: "os-loader" as KeyRef } as const;
const serial = "50530000000000000042" as Serial;

test("a module that is behind gets no new card session; cards in hand are served, and cards that wait come first come first", async () => {
  const child = fakeModule();
  const opening = openVault({ file: "none", unlock: { keyFile: "none" }, start: child.start });
  child.say({ answer: "opened" });
  const hsm = await opening;
  onTestFinished(async () => {
    child.exit();
    await hsm.close();
  });
  const names = () => child.asked.flatMap((ask) => (ask.ask === "call" ? [ask.name] : []));
  const answer = (id: number, result: unknown) => child.say({ answer: "result", id, result });
  const waiting = Array.from({ length: callsAtOnce }, () => hsm.random(8));
  const cards = [1, 2].map((session) =>
    hsm.openSession({ channel, serial }).then((opened) => [session, opened.session]),
  );
  expect(names()).not.toContain("openSession");
  // A card that was asked already is not kept waiting.
  const inHand = hsm.unwrap({ session: 7 as SessionId, answers: [] });
  expect(names().at(-1)).toBe("unwrap");
  answer(callsAtOnce + 1, { ok: true, answers: [] });
  await inHand;
  expect(names()).not.toContain("openSession");
  answer(1, new Uint8Array(8));
  await sleep(0);
  expect(names().filter((name) => name === "openSession")).toHaveLength(1);
  for (let id = 2; id <= callsAtOnce; id++) answer(id, new Uint8Array(8));
  await Promise.all(waiting);
  expect(names().filter((name) => name === "openSession")).toHaveLength(2);
  answer(callsAtOnce + 2, { session: 41 });
  answer(callsAtOnce + 3, { session: 42 });
  expect(await Promise.all(cards)).toEqual([
    [1, 41],
    [2, 42],
  ]);
});

test("cards that wait get the fault too when the module ends", async () => {
  const child = fakeModule();
  const opening = openVault({ file: "none", unlock: { keyFile: "none" }, start: child.start });
  child.say({ answer: "opened" });
  const hsm = await opening;
  const calls = Array.from({ length: callsAtOnce }, () => hsm.random(8));
  const card = hsm.openSession({ channel, serial });
  child.exit();
  const ends = await Promise.allSettled([...calls, card]);
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  await hsm.close();
});

test("a module that waits for somebody's secret is not blamed for its silence; once it has heard it, it is", async () => {
  const child = fakeModule();
  const opening = openVault({
    file: "none",
    unlock: { keyFile: "none" },
    deadlineMs: 60,
    start: child.start,
  });
  const ended = opening.then(
    () => "opened",
    (fault: unknown) => String(fault),
  );
  child.say({ answer: "asking" });
  expect(await Promise.race([ended, sleep(400).then(() => "asking still")])).toBe("asking still");
  expect(child.kill).not.toHaveBeenCalled();
  child.say({ answer: "heard" });
  child.kill.mockImplementation(() => child.exit());
  expect(await ended).toContain("has not answered for 0.06 s");
});

test("a secret that is not there is told as such, and no fault of the machine", async () => {
  const child = fakeModule();
  const opening = openVault({ file: "none", unlock: { keyFile: "none" }, start: child.start });
  child.say({ answer: "refused", code: "no-secret", message: "there is no terminal to ask at" });
  child.exit();
  await expect(opening).rejects.toThrow(OfficeRefusal);
});

test("its process has no arguments or environment of ours, leaves no core dump, and opens no debugger", async () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-client-"));
  const unlock = { keyFile: join(folder, "key") };
  const file = join(folder, "keystore.json");
  const letterPrinter = { writePrivateKeyTo: join(folder, "printer.pem") };
  await createKeystore({ file, environment: "test", unlock, keys: [], letterPrinter });
  let child: ChildProcess | undefined;
  const hsm = await openVault({
    file,
    unlock,
    start: (script, options) => {
      child = fork(script, [], options);
      return child;
    },
  });
  onTestFinished(async () => {
    await hsm.close();
    rmSync(folder, { recursive: true });
  });
  const pid = child?.pid ?? 0;
  const proc = (name: string) => readFileSync(`/proc/${String(pid)}/${name}`, "utf8");
  expect(proc("limits")).toMatch(/Max core file size\s+0\s+0\s/);
  expect(proc("cmdline").split("\0").filter(Boolean)).toEqual([
    process.execPath,
    expect.stringMatching(/vault-process\.js$/),
  ]);
  const variables = proc("environ").split("\0").filter(Boolean);
  expect(
    variables.map((one) => one.split("=")[0]).filter((name) => !name?.startsWith("NODE_CHANNEL")),
  ).toEqual([]);
  process.kill(pid, "SIGUSR1");
  await hsm.random(8);
  await sleep(200);
  const inodes = proc("net/tcp")
    .split("\n")
    .flatMap((line) => (line.includes(":240D ") ? [line] : []));
  // 240D: 9229, the debugger's port.
  expect(inodes).toEqual([]);
  expect(await hsm.random(8)).toHaveLength(8);
});
