import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { hex, unhex } from "@persoline/card/bytes";
import { parseKeyInformation } from "@persoline/card/globalplatform";
import { decodeFci } from "@persoline/card/iso7816";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import { connectedReaders } from "../devices/reader/pcsc/reader.js";
import { CardSlot } from "../devices/reader/vpcd/card-side.js";
import { compile } from "../plan/compile.js";
import { after, Bench, blank, liveOnce, record, serial } from "../plan/life.test.data.js";
import { prepare } from "../plan/prepare.js";
import { parseProduct } from "../plan/product.js";
import { persoline, program } from "./command.test.data.js";

/** Programs that nobody here wrote, on a finished card of the office product, through a pcscd that this test started. */
const reader = "Persoline vpcd A 00 00";
const slot = new CardSlot({ address: slotNumber(0).address });
let pcscd: Daemon;
let bench: Bench;
beforeAll(async () => {
  pcscd = await startPcscd(4);
  await liveOnce();
  bench = new Bench(after("proof"));
  slot.insert(bench.card);
  while (!(await connectedReaders()).some(({ card }) => card === "present")) {
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
});
afterAll(async () => {
  slot.remove();
  await pcscd.stop();
});

/** Not spawnSync: the card lives in this process and has to answer. */
function ran(
  command: string,
  words: readonly string[],
  { input = "", forMs }: { input?: string; forMs?: number } = {},
): Promise<{ readonly code: number | null; readonly out: string }> {
  const child = spawn(command, words, {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let out = "";
  const keep = (bytes: Buffer): void => {
    out += bytes.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.stdin.end(input);
  if (forMs !== undefined) setTimeout(() => child.kill("SIGTERM"), forMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out }));
  });
}

const client = fileURLToPath(new URL("../../foreign/scp03_client.py", import.meta.url));
/** The key set of these cards is made from it (plan/life.test.data.ts); it is nobody's secret. */
const issuer = "E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF";

async function scp03(ask: { master?: string; level: number; commands: readonly string[] }) {
  const input = JSON.stringify({ reader, kvn: 0x30, master: issuer, ...ask });
  // Debian's interpreter: that one has Debian's modules.
  const { code, out } = await ran("/usr/bin/python3", [client], { input });
  if (code !== 0) throw new Error(out);
  return JSON.parse(out) as {
    readonly cryptogram: "right" | "wrong";
    readonly answers: readonly { readonly data: string; readonly sw: string }[];
    readonly sequence: string;
  };
}

const keyInformation = "80CA00E000";
/** With a data field, and an answer that a level with R-ENCRYPTION hides. */
const selectMf = "00A40004023F0000";

describe("tools that strangers wrote", () => {
  test("opensc-tool reads the ATR and gets its APDUs answered", async () => {
    const { code, out } = await ran("opensc-tool", [
      "-r",
      reader,
      "-a",
      "-s",
      "00A4000C023F00",
      "-s",
      "80CA00CF00",
    ]);
    expect(code).toBe(0);
    const atr = hex(bench.card.powerOn() ?? new Uint8Array(0));
    expect(out.replaceAll(":", "").toUpperCase()).toContain(atr);
    expect(out).toContain("Received (SW1=0x90, SW2=0x00)");
    expect(out).toMatch(/CF 0A 50 53 4C 00 00 00 00 00 01 07/);
  });

  test("opensc-tool recognizes no other card in it, and lists its reader", async () => {
    const { out } = await ran("opensc-tool", ["-l"]);
    expect(out).toMatch(/0 +Yes +Persoline vpcd A 00 00/);
    const { out: name } = await ran("opensc-tool", ["-r", reader, "-n"]);
    expect(name).toMatch(/Unsupported card|Unknown/i);
  });

  test("pcsc_scan sees the card and can read its ATR", async () => {
    const { out } = await ran("pcsc_scan", ["-n"], { forMs: 2500 });
    expect(out).toContain("Persoline vpcd A 00 00");
    expect(out).toMatch(/Card inserted/);
    const atr = hex(bench.card.powerOn() ?? new Uint8Array(0));
    expect(out.replaceAll(" ", "")).toContain(`ATR:${atr}`);
  });

  test.each([0x01, 0x03, 0x11, 0x13, 0x33])(
    "an independent SCP03 client authenticates with security level %i and reads under it",
    async (level) => {
      const { cryptogram, answers } = await scp03({
        level,
        commands: [keyInformation, selectMf, keyInformation],
      });
      expect(cryptogram).toBe("right");
      expect(answers.map(({ sw }) => sw)).toEqual(["9000", "9000", "9000"]);
      const keys = parseKeyInformation(unhex(answers[0]?.data ?? ""));
      expect(keys.map(({ kvn, id }) => `${kvn.toString(16)}/${String(id)}`)).toEqual([
        "30/1",
        "30/2",
        "30/3",
      ]);
      expect(decodeFci(unhex(answers[1]?.data ?? "")).fcp.fid).toBe(0x3f00);
      expect(answers[2]?.data).toBe(answers[0]?.data);
    },
  );

  test("an independent client with another master sees that the card is not its own, and no try is spent", async () => {
    const wrong = await scp03({ master: "00".repeat(16), level: 0x33, commands: [keyInformation] });
    expect(wrong).toMatchObject({ cryptogram: "wrong", answers: [] });
    for (let at = 0; at < 12; at++) await scp03({ master: "00".repeat(16), level: 0x33, commands: [] });
    expect((await scp03({ level: 0x33, commands: [keyInformation] })).cryptogram).toBe("right");
  });
});

/** An office card under image 2.0 whose gate key is a seed of ISO secure messaging: made by the line's own programs. */
async function shieldedCard(): Promise<Bench> {
  const products = new URL("../../../../examples/products/", import.meta.url);
  const text = readFileSync(new URL("office-access/product.yaml", products), "utf8")
    .replace("3B9C968131FE458073B621006650534C4F010301", "3B9C968131FE458073F621C06650534C4F020081")
    .replace("persoline-os-1.3.img", "persoline-os-2.0.img")
    .replace('gate: "01"', 'gate: "08"');
  const read = parseProduct(text, "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const image = new Uint8Array(readFileSync(new URL("os/persoline-os-2.0.img", products)));
  const product = compile(read.product, image);
  const { personalization } = prepare(product, record, { order: "OF-26-1" });
  const shielded = new Bench(blank());
  for (const one of [product.test, product.completion, product.initialisation, personalization])
    expect(await shielded.run(one)).toMatchObject({ kind: "passed" });
  return shielded;
}

describe.each(["3DES", "AES"])("an independent client of ISO secure messaging, %s", (cipher) => {
  const second = new CardSlot({ address: slotNumber(2).address });
  const shielded = "Persoline vpcd B 00 00";
  beforeAll(async () => {
    second.insert((await shieldedCard()).card);
    while ((await connectedReaders()).filter(({ card }) => card === "present").length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  });
  afterAll(async () => {
    second.remove();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  });
  const sm = async (ask: object) => {
    const input = JSON.stringify({
      reader: shielded,
      cipher,
      master: "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF",
      serial,
      kid: 8,
      before: ["00A4040C07A0000008760101"],
      ...ask,
    });
    const { code, out } = await ran(
      "/usr/bin/python3",
      [fileURLToPath(new URL("../../foreign/sm_client.py", import.meta.url))],
      { input },
    );
    if (code !== 0) throw new Error(out);
    return JSON.parse(out) as { opened: string; answers: { data: string; sw: string }[] };
  };

  test("opens a session with the card's key and reads what the session opens, command by command", async () => {
    const { opened, answers } = await sm({
      commands: [
        "00B0810020",
        "00A4020C020101",
        "00B0000010",
        "00B2011410",
        "00A4020C02010F",
        "00B0000008",
        "00B0810008",
      ],
    });
    expect(opened).toBe("9000");
    expect(answers.map(({ sw }) => sw)).toEqual(["9000", "9000", "9000", "9000", "6A82", "6981", "9000"]);
    expect(answers[0]?.data).toMatch(/^5F20/);
    expect(answers[0]?.data.startsWith(answers[2]?.data ?? "none")).toBe(true);
    // READ RECORD has made another EF the current one; an EF record that only who has the gate's key may read.
    expect(answers[3]?.data).toBe(`${Buffer.from("HQ").toString("hex").toUpperCase()}${"FF".repeat(14)}`);
  });

  test("a spoiled MAC is refused and ends the session; a wrong key opens none", async () => {
    const { answers } = await sm({ break: true, commands: ["00B0810004", "00B0810004"] });
    expect(answers.map(({ sw }) => sw)).toEqual(["9000", "6988"]);
    expect((await sm({ master: "00".repeat(16), commands: [] })).opened).toMatch(/^63C/);
    expect((await sm({ commands: [] })).opened).toBe("9000");
  });
});

describe("the line's own commands on real PC/SC", () => {
  test("doctor shows readers and cards", async () => {
    const { out } = await ran(process.execPath, [program, "doctor", "--json"]);
    const readers = (JSON.parse(out) as { what: string; state: string; detail: string }[]).filter(
      ({ what }) => what === "card readers",
    );
    expect(readers[0]).toMatchObject({
      state: "ok",
      detail: expect.stringMatching(/^Persoline vpcd A 00 00: a card, ATR 3B/) as string,
    });
    expect(readers[1]).toEqual({
      what: "card readers",
      state: "ok",
      detail: "Persoline vpcd A 00 01: empty",
    });
  });

  test("card inspect --reader tells what the card says of itself, and costs it nothing", async () => {
    const before = bench.store.load().slice();
    const { code, out } = await ran(process.execPath, [
      program,
      "card",
      "inspect",
      "--reader",
      reader,
      "--json",
    ]);
    expect(code).toBe(0);
    expect(out).toContain("50534C00000000000107");
    expect(bench.store.load()).toEqual(before);
  });

  test("a reader that is not there is told with those that are; both or neither of body and reader are refused", async () => {
    const { code, out } = await ran(process.execPath, [program, "card", "inspect", "--reader", "Nobody"]);
    expect(code).toBe(1);
    expect(out).toContain('Nobody is not connected: PC/SC has only "Persoline vpcd A 00 00"');
    expect(persoline(["card", "inspect"]).err).toContain("name either a body of the shop floor or");
  });
});
