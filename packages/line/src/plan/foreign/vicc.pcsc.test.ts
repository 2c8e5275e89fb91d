import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CardChannel, CardProgram, RunEnd, SecurityModule, Serial } from "@persoline/card/program";
import { runProgram } from "@persoline/card/program";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, slotNumber, startPcscd } from "../../devices/reader/pcscd.test.data.js";
import { connectedReaders, pcscReader } from "../../devices/reader/pcsc/reader.js";
import type { Reader } from "../../devices/reader/port.js";
import { vpcdReader } from "../../devices/reader/vpcd/reader.js";
import { realWorld } from "../../stations/world.js";
import { type ForeignProduct, type Mood, parseForeign } from "./product.js";
import { foreignInitialisation, foreignPersonalization, foreignProof } from "./programs.js";

/** Debian's own virtual ISO 7816 card: written by strangers, in another language, with habits of its own. */
const runner = fileURLToPath(new URL("../../../foreign/vicc.py", import.meta.url));
const file = fileURLToPath(
  new URL("../../../../../examples/products/foreign-badge/product.yaml", import.meta.url),
);
const read = parseForeign(readFileSync(file, "utf8"), file);
if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join("; "));
const { product } = read;
const person = { name: "Žofia O’Brien", zones: ["YARD", "CRANE", "OFFICE"], cardNumber: "F-00001" };

let pcscd: Daemon;
beforeAll(async () => {
  pcscd = await startPcscd(2);
});
afterAll(() => pcscd.stop());

const open: (() => void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) close();
  while ((await connectedReaders()).some(({ card }) => card !== "none")) await pause(250);
  await pause(500);
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function vicc(port: number): ChildProcess {
  const words = [runner, "--type", "iso7816", "--hostname", "127.0.0.1", "--port", String(port)];
  const child = spawn("/usr/bin/python3", words, { stdio: "ignore" });
  open.push(() => child.kill("SIGKILL"));
  return child;
}

const ways = {
  "through pcscd": async (): Promise<Reader> => {
    const { pcsc, slot, address } = slotNumber(0);
    vicc(address.port);
    const reader = pcscReader({
      name: "reader",
      binding: { pcsc, slot },
      world: realWorld(),
      answerMs: 5000,
    });
    open.push(() => reader.close());
    if (!(await reader.awaitCard("present", 10_000))) throw new Error("vicc has not come");
    return reader;
  },
  "over vpcd-direct": async (): Promise<Reader> => {
    const reader = vpcdReader({ name: "reader", port: 0, world: realWorld(), answerMs: 5000 });
    open.push(() => reader.close());
    vicc(await reader.port());
    if (!(await reader.awaitCard("present", 10_000))) throw new Error("vicc has not come");
    return reader;
  },
} as const;

/** There is no secure channel on this card: whoever asks for one is wrong. */
const refused = (): Promise<never> => Promise.reject(new Error("no secure channel"));
const noModule: SecurityModule = {
  openSession: refused,
  authenticate: refused,
  unwrap: refused,
  closeSession: refused,
  openProof: refused,
  judgeProof: refused,
};

async function ran(reader: Reader, program: CardProgram): Promise<RunEnd> {
  const reset = await reader.insert();
  if (reset === "mute") throw new Error("vicc is mute");
  expect(reset.atr).toEqual(product.card.atr);
  const channel: CardChannel = reset.channel;
  return runProgram({
    program,
    station: "bench",
    serial: "00000000000000000001" as Serial,
    channel,
    hsm: noModule,
    journal: { write: () => Promise.resolve() },
    world: realWorld(),
  });
}

async function whole(reader: Reader, own: ForeignProduct): Promise<RunEnd> {
  for (const program of [foreignInitialisation(own), foreignPersonalization(own, person)]) {
    const end = await ran(reader, program);
    if (end.kind !== "passed") return end;
  }
  return ran(reader, foreignProof(own, person));
}

describe.each(["through pcscd", "over vpcd-direct"] as const)("a foreign card %s", (way) => {
  test("gets its files, its person's data and its EF records, which are read back, and its PIN is shown", async () => {
    const reader = await ways[way]();
    const end = await whole(reader, product);
    expect("detail" in end ? end.detail : end.kind).toBe("passed");
    // Somebody else's data is not there: the proof is one.
    const other = { ...person, zones: ["YARD", "CRANE", "VAULT"] };
    expect(await ran(reader, foreignProof({ ...product, pin: undefined }, other))).toMatchObject({
      kind: "rejected",
      code: "wrong-answer",
    });
  });
});

describe("its declared moods", () => {
  test.each(product.card.moods.map((mood): [string, Mood] => [mood.mood, mood]))(
    "%s is needed: without it the card is refused, not guessed at",
    async (_name, mood) => {
      const moods = product.card.moods.filter((one) => one !== mood);
      const reader = await ways["over vpcd-direct"]();
      const end = await whole(reader, { ...product, card: { ...product.card, moods } });
      expect(end.kind).toBe("rejected");
    },
  );
});

test("a wrong transport PIN is sent once, and costs one try", async () => {
  const reader = await ways["over vpcd-direct"]();
  const pin = { reference: "00", transport: "9999", length: 8 };
  const wrong = foreignProof({ ...product, write: {}, pin }, person);
  // This card has three tries.
  for (let tries = 0; tries < 2; tries++) expect((await ran(reader, wrong)).kind).toBe("rejected");
  expect((await ran(reader, foreignProof({ ...product, write: {} }, person))).kind).toBe("passed");
  for (let tries = 0; tries < 3; tries++) expect((await ran(reader, wrong)).kind).toBe("rejected");
  expect((await ran(reader, foreignProof({ ...product, write: {} }, person))).kind).toBe("rejected");
});
