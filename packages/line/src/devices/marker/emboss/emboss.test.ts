import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { readEmboss } from "../../shop-floor/faces.js";
import type { MarkJob, StruckLine } from "../port.js";
import { escapeEmbosser } from "./escape.js";
import { folderWire } from "./folder.js";
import { embossingMachine, machineForm } from "./machine.test.data.js";
import { recordsOf } from "./records.js";
import { serialWire } from "./serial.js";
import { escapeTemplate } from "../../escape-template.js";
import { cardBytes } from "./template.js";
import type { Wire } from "./wire.js";

type StruckJob = Extract<MarkJob, { kind: "emboss" | "indent" }>;
const number: StruckLine = {
  text: "4111 1111 1111 1111",
  font: "7B",
  x: 10.2,
  yFromBottom: 21.42,
  pitch: 25.4 / 7,
};
const holder: StruckLine = { text: "ANNA KOVACS", font: "4B", x: 7.65, yFromBottom: 6.6, pitch: 2.54 };
const job = (...lines: StruckLine[]): StruckJob => ({ kind: "emboss", side: "front", lines });
const root = mkdtempSync(join(tmpdir(), "persoline-emboss-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const folder = (): string => join(root, String(++made));

describe("records", () => {
  test("stand in mils, wheel by wheel and from the bottom up", () => {
    const dates = { ...holder, text: "11/26   11/29", x: 30, yFromBottom: 13.5 };
    expect(recordsOf("embosser", job(number, dates, holder))).toEqual([
      { font: "4B", text: "ANNA KOVACS", xMils: 301, yMils: 260 },
      { font: "4B", text: "11/26   11/29", xMils: 1181, yMils: 531 },
      { font: "7B", text: "4111 1111 1111 1111", xMils: 402, yMils: 843 },
    ]);
  });
  test.each([
    ["a letter on Farrington 7B", job({ ...number, text: "4111A" }), "wheel 7B lacks"],
    ["a small letter", job({ ...holder, text: "Anna" }), "wheel 4B lacks"],
    ["a control character", job({ ...holder, text: "ANNA\u001bE" }), "wheel 4B lacks"],
    ["too many digits", job({ ...number, text: "41111111111111111111" }), "more than 19"],
    ["another pitch", job({ ...holder, pitch: 3 }), "pitch"],
    ["over the right end", job({ ...holder, x: 60 }), "way across"],
    ["over the left end", job({ ...holder, x: 1 }), "way across"],
    ["too low for the carriage", job({ ...holder, yFromBottom: 3 }), "way up"],
    ["the number off its line", job({ ...number, yFromBottom: 20 }), "number line"],
    ["a name above its area", job({ ...holder, yFromBottom: 17.5 }), "name and address"],
    ["a name whose feet come too near the edge", job({ ...holder, yFromBottom: 3.6 }), "name and address"],
    ["a name that begins before its area", job({ ...holder, x: 6 }), "name and address"],
    ["two lines on one another", job(holder, { ...holder, x: 20, yFromBottom: 8 }), "onto line 1"],
    [
      "an indent wheel that shall emboss",
      job({ ...holder, font: "rear", pitch: 25.4 / 15 }),
      "does not emboss",
    ],
    ["nothing", job(), "no line"],
  ])("%s is refused, without its text", (_, asked, why) => {
    expect(() => recordsOf("embosser", asked)).toThrow(why);
    expect(() => recordsOf("embosser", asked)).not.toThrow(/ANNA|Anna|4111/);
  });
});

describe("templates", () => {
  test("give each machine its own bytes", () => {
    const bytes = cardBytes(machineForm, recordsOf("embosser", job(number, holder)));
    expect(Buffer.from(bytes ?? []).toString("latin1")).toBe(
      "\u0002\u001bC\u001bF2\u001bH0301\u001bV0260ANNA KOVACS\r" +
        "\u001bF1\u001bH0402\u001bV08434111 1111 1111 1111\r\u001bE\u0003",
    );
  });
  test("a wheel the machine lacks, or a number too long for its field, gives no bytes", () => {
    const records = recordsOf("embosser", job(holder));
    expect(cardBytes({ ...machineForm, wheels: { "7B": "1" } }, records)).toBeUndefined();
    expect(cardBytes({ ...machineForm, line: "{x:2}{text}" }, records)).toBeUndefined();
  });
  test.each([
    [{ line: "<ESC>H{x:4}", done: "<ACK>" }, "{text}"],
    [{ line: "{text}<FOO>", done: "<ACK>" }, "<FOO>"],
    [{ line: "{text}{name}", done: "<ACK>" }, "fields"],
    [{ begin: "{text}", line: "{text}", done: "<ACK>" }, "no place"],
    [{ line: "{text}", done: "" }, "empty"],
    [{ line: "{text}", done: "<ACK>", status: "<ENQ>" }, "go together"],
    [{ line: "{text}", done: "<ACK><ESC>K", status: "<ENQ>", idle: "<ACK>" }, "must not be taken for"],
    [
      { line: "{text}", done: "<ACK>", failed: ["<15>"], status: "<ENQ>", idle: "<NAK>" },
      "must not be taken for",
    ],
  ])("%o is refused", (form, why) => {
    const read = escapeTemplate.safeParse({ wheels: {}, ...form });
    expect(read.success).toBe(false);
    expect(read.error?.message).toContain(why);
  });
});

const options = (body: string) => ({
  name: "machine",
  place: { at: "head", station: "visual", head: 0 } as const,
  bodyAt: () => body,
  world: { now: () => 0, sleep: () => Promise.resolve() },
  seed: "1",
});
const embosserOver = (wire: Wire, timeoutMs = 3_000) =>
  escapeEmbosser({ name: "embosser", does: "emboss", form: machineForm, wire, timeoutMs });

describe("over a folder", () => {
  const watch = (watched: string, answer: (bytes: Uint8Array) => Promise<Buffer>) => {
    mkdirSync(watched, { recursive: true });
    const timer = setInterval(() => {
      for (const name of readdirSync(watched).filter((one) => one.endsWith(".card"))) {
        const bytes = readFileSync(join(watched, name));
        const base = join(watched, name.replace(".card", ""));
        renameSync(join(watched, name), `${base}.taken`);
        void answer(bytes).then((said) => {
          rmSync(`${base}.taken`);
          writeFileSync(`${base}.answer`, said);
        });
      }
    }, 5);
    return () => clearInterval(timer);
  };
  test("a card is struck as it was asked, and nothing of it stays in the folder", async () => {
    const [watched, body] = [folder(), folder()];
    const stop = watch(watched, embossingMachine(options(body)));
    await embosserOver(folderWire("embosser", watched)).mark(job(number, holder));
    stop();
    expect(readEmboss(body).map(({ text }) => text)).toEqual(["ANNA KOVACS", "4111 1111 1111 1111"]);
    expect(readdirSync(watched)).toEqual([]);
  });
  test("an answer that lies there from before is none of a new card, and goes away", async () => {
    const watched = folder();
    mkdirSync(watched);
    writeFileSync(join(watched, "000000000000001.answer"), Buffer.from([0x1b, 0x4b]));
    await expect(embosserOver(folderWire("embosser", watched), 150).mark(job(holder))).rejects.toMatchObject({
      code: "timeout",
    });
    expect(readdirSync(watched)).toEqual([expect.stringMatching(/^\d{15}\.unanswered$/)]);
  });
  test("a killed run's card in the folder stops the machine before anything is struck", async () => {
    const watched = folder();
    mkdirSync(watched);
    writeFileSync(join(watched, "000000000000001.card"), "ANNA of a killed run");
    const embosser = embosserOver(folderWire("embosser", watched));
    await expect(embosser.ready?.()).rejects.toThrow("000000000000001.card");
    await expect(embosser.mark(job(holder))).rejects.toMatchObject({ code: "refused" });
    expect(readdirSync(watched)).toEqual(["000000000000001.card"]);
    rmSync(join(watched, "000000000000001.card"));
    await embosser.ready?.();
  });
  test("after a card without an answer nothing is handed over until its answer is there, or people have looked", async () => {
    const watched = folder();
    const first = embosserOver(folderWire("embosser", watched), 50);
    const timedOut = async (): Promise<string> => {
      await expect(first.mark(job(holder))).rejects.toMatchObject({ code: "timeout" });
      return readdirSync(watched)[0]?.replace(".unanswered", "") ?? "";
    };
    const number = await timedOut();
    // Another process as well: it lies in the folder.
    const later = embosserOver(folderWire("embosser", watched), 50);
    await expect(later.ready?.()).rejects.toThrow(`${number}.unanswered`);
    await expect(later.mark(job(holder))).rejects.toMatchObject({ code: "refused" });
    // Half an answer is none.
    writeFileSync(join(watched, `${number}.answer`), Buffer.from([0x1b]));
    await expect(later.ready?.()).rejects.toMatchObject({ code: "refused" });
    writeFileSync(join(watched, `${number}.answer`), Buffer.from([0x1b, 0x4b]));
    await later.ready?.();
    expect(readdirSync(watched)).toEqual([]);
    rmSync(join(watched, `${await timedOut()}.unanswered`));
    await later.ready?.();
  });
  test("a folder that cannot be made or written costs no card", async () => {
    const file = join(root, "no-folder");
    writeFileSync(file, "");
    await expect(embosserOver(folderWire("embosser", file)).ready?.()).rejects.toMatchObject({
      code: "unplugged",
    });
  });
});

/** A pair of pseudo-terminals by Python: what comes from the driver appears on its output, what is written to it goes to the driver. */
const pty = `
import os, pty, select, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
sys.stderr.write(os.ttyname(slave) + "\\n"); sys.stderr.flush()
while True:
    ready, _, _ = select.select([master, 0], [], [])
    if master in ready:
        os.write(1, os.read(master, 4096))
    if 0 in ready:
        data = os.read(0, 4096)
        if not data: break
        os.write(master, data)
`;

describe("over a serial port", () => {
  let machine: ChildProcessWithoutNullStreams;
  let device: string;
  let wire: Wire;
  let unanswered: string;
  beforeEach(async () => {
    machine = spawn("python3", ["-c", pty]);
    device = await new Promise<string>((resolve, reject) => {
      machine.on("error", () => reject(new Error("python3 is missing: apt-get install python3")));
      machine.stderr.once("data", (text: Buffer) => resolve(text.toString().trim()));
    });
    unanswered = join(folder(), "port.unanswered");
    wire = atPort();
  });
  const atPort = (): Wire =>
    serialWire("embosser", { serial: device, baud: 9600, flow: "none", unanswered, idleMs: 1_500 });
  afterEach(() => {
    wire.close();
    machine.kill();
  });
  /** The machine strikes once a whole card has come, and says so in two pieces, as slow lines do. */
  const attach = (answer: (bytes: Uint8Array) => Promise<Buffer>): { cards: number } => {
    const seen = { cards: 0 };
    let bytes = Buffer.alloc(0);
    machine.stdout.on("data", (part: Buffer) => {
      bytes = Buffer.concat([bytes, part]);
      if (bytes.at(-1) !== 0x03 && bytes.at(-1) !== 0x05) return;
      const card = bytes;
      bytes = Buffer.alloc(0);
      if (card.at(-1) === 0x03) seen.cards++;
      void answer(card).then(async (said) => {
        machine.stdin.write(said.subarray(0, 1));
        await sleep(20);
        machine.stdin.write(said.subarray(1));
      });
    });
    return seen;
  };

  test("cards are struck one after the other, each confirmed by its own answer", async () => {
    const body = folder();
    const seen = attach(embossingMachine(options(body)));
    const embosser = embosserOver(wire);
    await embosser.mark(job(number));
    await embosser.mark(job(holder));
    expect(readEmboss(body).map(({ text }) => text)).toEqual([number.text, holder.text]);
    expect(seen.cards).toBe(2);
  });
  test("what the machine says is wrong is a fault", async () => {
    attach(() => Promise.resolve(Buffer.from([0x06, 0x1b, 0x52])));
    await expect(embosserOver(wire).mark(job(holder))).rejects.toMatchObject({ code: "refused" });
  });
  test("an answer from before confirms no card", async () => {
    const seen = attach(embossingMachine(options(folder())));
    await embosserOver(wire).mark(job(holder));
    machine.stdin.write(Buffer.from([0x1b, 0x4b]));
    await sleep(100);
    machine.stdout.removeAllListeners("data");
    machine.stdout.resume();
    await expect(embosserOver(wire, 300).mark(job(number))).rejects.toMatchObject({ code: "timeout" });
    expect(seen.cards).toBe(1);
  });
  test("silence is unknown, and the card is sent no second time", async () => {
    const seen = attach(() => new Promise(() => undefined));
    await expect(embosserOver(wire, 300).mark(job(holder))).rejects.toMatchObject({ code: "timeout" });
    await sleep(200);
    expect(seen.cards).toBe(1);
  });
  /** The machine answers the first card only when told; later ones never. A query by `status`. */
  const lateMachine = (status: () => Buffer | undefined): { cards: string[]; late: () => void } => {
    const cards: string[] = [];
    attach((bytes) => {
      if (bytes[0] === 0x05) {
        const said = status();
        return said === undefined ? new Promise(() => undefined) : Promise.resolve(said);
      }
      cards.push(Buffer.from(bytes).toString("latin1"));
      return new Promise(() => undefined);
    });
    return { cards, late: () => void machine.stdin.write(Buffer.from([0x1b, 0x4b])) };
  };
  test("a late answer confirms no later card: without a status query nothing is sent until people have looked", async () => {
    const { cards, late } = lateMachine(() => undefined);
    const embosser = embosserOver(wire, 200);
    await expect(embosser.mark(job(holder))).rejects.toMatchObject({ code: "timeout" });
    setTimeout(late, 150);
    await expect(embosser.ready?.()).rejects.toThrow(unanswered);
    await expect(embosser.mark(job(number))).rejects.toMatchObject({ code: "refused" });
    // Another process at the port is no wiser.
    wire.close();
    wire = atPort();
    await expect(embosserOver(wire).ready?.()).rejects.toMatchObject({ code: "refused" });
    expect(cards).toHaveLength(1);
    rmSync(unanswered);
    await embosserOver(wire).ready?.();
  });
  test("a process killed with a card out leaves that to the next", async () => {
    attach(() => new Promise(() => undefined));
    // Its answer is waited for beyond the end of this test, and nobody hears that none came.
    embosserOver(wire, 60_000)
      .mark(job(holder))
      .catch(() => undefined);
    while (!existsSync(unanswered)) await sleep(5);
    const next = atPort();
    await expect(embosserOver(next).ready?.()).rejects.toMatchObject({ code: "refused" });
    next.close();
  });
  const asking = { ...machineForm, status: "<ENQ>", idle: "<ESC>I" };
  const askingOver = (over: Wire) =>
    escapeEmbosser({ name: "embosser", does: "emboss", form: asking, wire: over, timeoutMs: 200 });
  test("asked for its status, the machine must say that it is idle before a card is sent again", async () => {
    let says = 0x42;
    const { cards } = lateMachine(() => Buffer.from([0x1b, says]));
    await expect(askingOver(wire).mark(job(holder))).rejects.toMatchObject({ code: "timeout" });
    await expect(askingOver(wire).ready?.()).rejects.toMatchObject({ code: "timeout" });
    // It ends the first card while it is asked: whether that one or the next lay in it, nobody knows.
    says = 0x4b;
    await expect(askingOver(wire).ready?.()).rejects.toThrow("look at that card");
    says = 0x49;
    await askingOver(wire).ready?.();
    expect(existsSync(unanswered)).toBe(false);
    await expect(askingOver(wire).mark(job(number))).rejects.toMatchObject({ code: "timeout" });
    while (cards.length < 2) await sleep(5);
  });
  test("a machine that is off is told by its silence to the query, before a card is sent", async () => {
    const { cards } = lateMachine(() => undefined);
    await expect(askingOver(wire).ready?.()).rejects.toThrow("switched on");
    expect(cards).toEqual([]);
  });
  test("a machine unplugged in the middle of a card is told at once", async () => {
    attach(() => {
      machine.kill("SIGKILL");
      return new Promise(() => undefined);
    });
    await expect(embosserOver(wire, 10_000).mark(job(holder))).rejects.toMatchObject({ code: "unplugged" });
  });
  test("no port, and a file that is none", async () => {
    const at = (serial: string) =>
      embosserOver(serialWire("embosser", { serial, baud: 9600, flow: "none", unanswered }));
    const file = join(root, "file");
    writeFileSync(file, "");
    await expect(at("/dev/no-such-port").mark(job(holder))).rejects.toMatchObject({ code: "unplugged" });
    await expect(at(file).mark(job(holder))).rejects.toMatchObject({ code: "unplugged" });
    expect(existsSync(file) && readFileSync(file, "utf8")).toBe("");
    expect(existsSync(unanswered)).toBe(false);
  });
});
