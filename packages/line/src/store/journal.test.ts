import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Note } from "@persoline/card/program";
import { expect, onTestFinished, test } from "vitest";
import { JournalFault, type LineJournal, openJournal } from "./journal.js";
import { folder, serial } from "./sample.test.data.js";

async function journal(file = join(folder(), "journal.db"), pagesAtMost?: number): Promise<LineJournal> {
  const opened = await openJournal({ file, ...(pagesAtMost === undefined ? {} : { pagesAtMost }) });
  onTestFinished(() => opened.close());
  return opened;
}

const note = (card: number, event: Note["event"], segment = 0, station = "personalization"): Note => ({
  serial: serial(card),
  station,
  program: "office-access/personalization",
  segment,
  event,
});

test("tells after a restart what was passed and what is open", async () => {
  const file = join(folder(), "journal.db");
  const first = await journal(file);
  await first.write(note(1, "intent", 0, "test"));
  await first.write(note(1, "done", 0, "test"));
  await first.write({ ...note(1, "passed", -1, "test"), detail: "what was seen" });
  await first.write({ ...note(1, "bound", -1), detail: "17" });
  await first.write(note(1, "intent", 3));
  await first.write(note(2, "intent", 1));
  await first.write(note(2, "failed", 1));
  await first.close();
  const second = await journal(file);
  expect(await second.states()).toEqual([
    {
      serial: serial(1),
      passed: ["test"],
      history: ["what was seen"],
      open: { station: "personalization", program: "office-access/personalization", segment: 3 },
      resumes: 0,
    },
    { serial: serial(2), passed: [], history: [], resumes: 0 },
  ]);
});

test("an open mark outlives what other stations do to its card, and the first verdict all later ones", async () => {
  const file = join(folder(), "journal.db");
  const first = await journal(file);
  await first.write(note(1, "intent", 1, "visual"));
  await first.write({ ...note(1, "rejected", -1, "visual"), detail: "mark-unknown" });
  await first.write(note(1, "intent", 0, "termination"));
  await first.write(note(1, "done", 0, "termination"));
  await first.write({ ...note(1, "rejected", -1, "quality"), detail: "mute" });
  await first.close();
  expect(await (await journal(file)).states()).toMatchObject([
    { open: { station: "visual", segment: 1 }, rejected: { station: "visual", detail: "mark-unknown" } },
  ]);
});

test("tells the code a program ended with until something is begun there again; without a code nothing is known against a card", async () => {
  const j = await journal();
  await j.write(note(1, "intent", 2));
  await j.write({ ...note(1, "failed", 2), detail: "command-refused" });
  await j.write(note(1, "intent", 0, "termination"));
  await j.write(note(2, "intent", 1));
  await j.write(note(2, "failed", 1));
  expect(await j.states()).toMatchObject([
    { failed: { station: "personalization", code: "command-refused" } },
    { serial: serial(2) },
  ]);
  expect((await j.states())[1]).not.toHaveProperty("failed");
  await j.write(note(1, "intent", 2));
  expect((await j.states())[0]).not.toHaveProperty("failed");
});

test("counts a resume each time an open intent is written again", async () => {
  const j = await journal();
  await j.write(note(1, "intent", 2));
  await j.write(note(1, "intent", 2));
  await j.write(note(1, "intent", 2));
  await j.write(note(1, "done", 2));
  await j.write(note(1, "intent", 3));
  expect(await j.states()).toMatchObject([{ resumes: 2, open: { segment: 3 } }]);
  await j.forget([serial(1)]);
  expect(await j.states()).toEqual([]);
});

test("answers whoever asks, however many ask at once while notes are written", async () => {
  const j = await journal();
  const asked = Array.from({ length: 20 }, async (_, card) => {
    const written = j.write(note(card, "intent"));
    const states = await j.states();
    await written;
    return states.some((state) => state.serial === serial(card));
  });
  expect(await Promise.all(asked)).toEqual(Array.from({ length: 20 }, () => true));
});

test("what waits shares a transaction", async () => {
  const j = await journal();
  await Promise.all(Array.from({ length: 200 }, (_, card) => j.write(note(card, "intent"))));
  expect(j.stats).toMatchObject({ notes: 200 });
  expect(j.stats.commits).toBeLessThan(10);
  expect(await j.states()).toHaveLength(200);
});

test("a second line on the same journal is refused while the first lives", async () => {
  const file = join(folder(), "journal.db");
  const first = await journal(file);
  await expect(openJournal(file)).rejects.toMatchObject({ name: "JournalFault", reason: "busy" });
  await expect(openJournal(file)).rejects.toThrow(/another process runs this line/);
  await first.close();
  await (await journal(file)).write(note(1, "intent"));
});

test("a full disk stops the line; what was written before is still there", async () => {
  const file = join(folder(), "journal.db");
  const j = await journal(file, 300);
  const long = { ...note(1, "done"), detail: "x".repeat(40_000) };
  let written = 0;
  const filling = async (): Promise<void> => {
    for (; written < 1_000; written++) await j.write(long);
  };
  const fault = await filling().catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(JournalFault);
  expect(fault).toMatchObject({ code: "disk-full", device: "journal" });
  // The card in work could still be ended: a megabyte was kept in reserve.
  expect(written).toBeGreaterThan(20);
  await expect(j.write(note(2, "intent"))).rejects.toBe(fault);
  await j.close();
  const again = await journal(file);
  expect(await again.states()).toEqual([{ serial: serial(1), passed: [], history: [], resumes: 0 }]);
});

test("refuses a journal of a newer version and other programs' files", async () => {
  const { default: Database } = await import("better-sqlite3");
  const file = join(folder(), "journal.db");
  await (await journal(file)).close();
  const newer = new Database(file);
  newer.pragma("user_version = 9");
  newer.close();
  await expect(openJournal(file)).rejects.toThrow(/newer Persoline/);
  const foreign = join(folder(), "notes.db");
  const other = new Database(foreign);
  other.exec("create table songs (title text)");
  other.close();
  await expect(openJournal(foreign)).rejects.toMatchObject({ reason: "not-ours" });
});

test("after close nothing is taken", async () => {
  const j = await journal();
  await j.close();
  await expect(j.write(note(1, "intent"))).rejects.toThrow(/was closed/);
});

test("when the writer's thread dies, everything that waits fails and the line can stop", async () => {
  const file = join(folder(), "journal.db");
  let worker: Worker | undefined;
  const j = await openJournal({
    file,
    startWorker: (script, options) => {
      worker = new Worker(script, options);
      return worker;
    },
  });
  await j.write(note(1, "intent"));
  const waiting = [j.write(note(2, "intent")), j.write(note(3, "intent"))].map((promise) =>
    promise.then(
      () => "written",
      (error: unknown) => error,
    ),
  );
  await worker?.terminate();
  const [second, third] = await Promise.all(waiting);
  expect(third).toSatisfy((end) => end === "written" || end instanceof JournalFault);
  expect(second).toSatisfy((end) => end === "written" || end instanceof JournalFault);
  await expect(j.write(note(4, "intent"))).rejects.toMatchObject({ reason: "worker", code: "journal" });
  await expect(j.states()).rejects.toMatchObject({ reason: "worker" });
  await j.close();
  const again = await journal(file);
  const found = (await again.states()).map((state) => state.serial);
  // What was told written is there; the first certainly.
  expect(found).toContain(serial(1));
  expect(found).toHaveLength(second === "written" ? 3 : 1);
});
