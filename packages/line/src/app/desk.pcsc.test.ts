import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { random } from "@persoline/card/node";
import type { VirtualCard } from "@persoline/card/virtual";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import { type Address, CardSlot } from "../devices/reader/vpcd/card-side.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import type { LotPlan } from "../devices/shop-floor/lot.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { persoline, root, smallOrder } from "./command.test.data.js";
import { readKeyFile } from "./key-file.js";

/** Where the desk's reader is, and where the person's cards go in. */
const ways = {
  "over pcscd": () => {
    const { pcsc, slot, address } = slotNumber(0);
    return Promise.resolve({ address, reader: `pcsc: "${pcsc}", slot: ${String(slot)}` });
  },
  "over vpcd-direct": async () => {
    const port = await freePort();
    return { address: { host: "127.0.0.1", port }, reader: `vpcd: ${String(port)}` };
  },
} as const;
type Way = keyof typeof ways;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof at === "object" ? (at?.port ?? 0) : 0;
}

const keyFile = join(root, "examples/keys/test-keys.yaml");

let pcscd: Daemon;
beforeAll(async () => {
  pcscd = await startPcscd(2);
});
afterAll(() => pcscd.stop());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-desk-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Plays the person at the desk: reads what the line tells, and puts cards into the reader and takes them out. */
class Robot {
  readonly #slot: CardSlot;
  readonly #floor: ShopFloor;
  readonly told: string[] = [];
  readonly delivery: string;
  #next = 1;
  /** The same chip until it is put away: what it has been through counts. */
  #inHand: VirtualCard | undefined;
  readonly #plan: LotPlan;
  /** One card after the other is torn out when it has been told so many APDUs. */
  readonly tears: number[] = [];
  readonly #watch = setInterval(() => {
    const [due] = this.tears;
    if (due === undefined || this.apdus < due) return;
    this.tears.shift();
    this.#slot.remove();
  }, 1);

  constructor(plan: LotPlan, loaderMaster: Uint8Array, address: Address) {
    this.#plan = plan;
    this.#slot = new CardSlot({ address });
    this.#floor = new ShopFloor(join(folder, "tray"), virtualSilicon({ loaderMaster, random }));
    const items = this.#floor.makeLot(plan);
    this.delivery = ["label,serial", ...items.map(({ label, serial }) => `${label},${serial}`)].join("\n");
  }

  watch(line: ChildProcess): Promise<{ readonly code: number | null; readonly out: string }> {
    let out = "";
    let rest = "";
    line.stdout?.on("data", (bytes: Buffer) => {
      out += bytes.toString();
    });
    line.stderr?.on("data", (bytes: Buffer) => {
      rest += bytes.toString();
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) this.#hear(text);
    });
    return new Promise((resolve) => {
      line.once("close", (code) => resolve({ code, out }));
    });
  }

  #hear(text: string): void {
    this.told.push(text);
    if (text.startsWith("Insert the next card")) this.#take();
    else if (/^(GOOD|REJECT|ASIDE|BACK):/.test(text)) this.out();
    else if (text.startsWith("The card was taken out")) setTimeout(() => this.back(), 500);
    else if (text.startsWith("The card does not answer well")) {
      this.#slot.remove();
      setTimeout(() => this.back(), 1000);
    } else if (text.startsWith("Put card")) this.back();
  }

  #take(): void {
    if (this.#next > this.#plan.count) return;
    const label = `${this.#plan.lot}-${String(this.#next++).padStart(6, "0")}`;
    const body = this.#floor.find(label);
    this.#inHand = body === undefined ? undefined : this.#floor.loadCard(body.dir).card;
    // People are slower than pcscd looks.
    setTimeout(() => this.back(), 500);
  }

  back(): void {
    if (this.#inHand !== undefined) this.#slot.insert(this.#inHand);
  }

  /** What the card in the reader has been told so far. */
  get apdus(): number {
    return this.#inHand?.counters.apdus ?? 0;
  }

  out(): void {
    this.#slot.remove();
    this.#inHand = undefined;
  }

  close(): void {
    clearInterval(this.#watch);
    this.#slot.remove();
    this.#floor.close();
  }
}

async function arranged(plan: LotPlan, people: number, way: Way = "over pcscd") {
  const { address, reader } = await ways[way]();
  const key = (await readKeyFile(keyFile)).keys.find(({ use }) => use === "loader");
  const robot = new Robot(plan, unhex(key?.published ?? ""), address);
  const data = join(folder, "data");
  const delivery = join(folder, "delivery.csv");
  writeFileSync(delivery, robot.delivery);
  expect(persoline(["stock", "receive", plan.lot, delivery, "--data", data]).code).toBe(0);
  const desk = readFileSync(join(root, "examples/lines/desk.yaml"), "utf8");
  const line = join(folder, "desk.yaml");
  writeFileSync(line, desk.replace(/reader: \{.*\}/, `reader: { ${reader}, answerSeconds: 5 }`));
  const words = ["run", smallOrder(folder, people), "--line", line, "--data", data];
  const begin = (...more: readonly string[]) =>
    spawn(process.execPath, [join(root, "packages/line/bin/persoline.js"), ...words, ...more], {
      stdio: ["ignore", "pipe", "pipe"],
    });
  return { robot, begin, data };
}

/** What a report's table says of each card: record, attempt, serial, label, end, station, code, chip. */
interface Made {
  readonly produced: number;
  readonly balanced: boolean;
  readonly blanks: Readonly<Record<string, number>>;
  readonly rejects: readonly { readonly station: string; readonly code: string }[];
  readonly cards: readonly (readonly string[])[];
}
function madeOf(out: string): Made {
  const made = JSON.parse(out) as Omit<Made, "cards"> & { readonly reports: readonly string[] };
  const table = made.reports.find((file) => file.endsWith(".csv")) ?? "";
  const rows = readFileSync(table, "utf8").trim().split("\r\n");
  // No cell before "detail" has a comma in it.
  return { ...made, cards: rows.slice(1).map((row) => row.split(",").slice(0, 7)) };
}

/** The same blanks on a line of one head with a simulated reader. */
function madeSimulated(plan: LotPlan, people: number): Made {
  const line = join(folder, "simulated.yaml");
  const faults = plan.faults.map(({ blanks, what }) => ({ blanks, fault: what }));
  const file = {
    line: "simulated",
    mode: "ideal",
    seed: plan.seed,
    transport: { kind: "simulated-carousel", moveMs: 0 },
    stations: [
      {
        name: "desk",
        does: ["electrical-test", "completion", "initialisation", "personalization", "chip-proof", "quality"],
        heads: 1,
        reader: "simulated",
      },
    ],
    without: ["visual"],
    stock: [{ lot: plan.lot, count: plan.count, faults }],
  };
  writeFileSync(line, JSON.stringify(file));
  const words = ["run", smallOrder(folder, people), "--line", line, "--data", join(folder, "simulated")];
  const { code, out, err } = persoline([...words, "--json"]);
  if (code !== 0) throw new Error(err);
  return madeOf(out);
}

describe.each(["over pcscd", "over vpcd-direct"] as const)("the desk %s", (way) => {
  test("a person makes the office order card by card: good ones, a reject, a silent one, a bad seat", async () => {
    const faults = [
      { blanks: { number: 2 }, what: { kind: "ram-fault" } },
      { blanks: { number: 3 }, what: { kind: "dead" } },
      { blanks: { number: 4 }, what: { kind: "bad-seat", times: 1 } },
    ] as const;
    const plan: LotPlan = { lot: "D1", count: 6, seed: 5, faults, flaws: [] };
    const { robot, begin } = await arranged(plan, 3, way);
    const { code, out } = await robot.watch(begin("--json"));
    robot.close();
    expect(robot.told.filter((text) => /error|fail/i.test(text))).toEqual([]);
    expect(code).toBe(0);
    const made = madeOf(out);
    expect(made).toMatchObject({
      produced: 3,
      balanced: true,
      blanks: { good: 3, rejected: 1 },
      rejects: [{ station: "electrical-test", code: "ram-fault" }],
    });
    const did = robot.told.flatMap(
      (text) => /^(GOOD|REJECT|ASIDE|BACK): Take (.*?) out/.exec(text)?.slice(1) ?? [],
    );
    expect(did).toEqual([
      "GOOD",
      "card D1-000001",
      "REJECT",
      "card D1-000002",
      "ASIDE",
      "the card without a readable number",
      "GOOD",
      "card D1-000004",
      "GOOD",
      "card D1-000005",
    ]);
    // A desk knows a card by its chip alone: the silent one is nobody's reject there, and stays in the stock.
    const simulated = madeSimulated(plan, 3);
    const silent = (label: string | undefined): boolean => label === "D1-000003";
    expect(simulated.cards.filter(([, , , label]) => silent(label))).toHaveLength(1);
    expect(made.cards).toHaveLength(4);
    expect(made.cards).toEqual(simulated.cards.filter(([, , , label]) => !silent(label)));
    expect(made.blanks["good"]).toBe(simulated.blanks["good"]);
  });
});

describe("the desk on a real PC/SC service", () => {
  test("cards torn out when they were just read, and in the middle of their work, are asked for again", async () => {
    const plan: LotPlan = { lot: "D3", count: 2, seed: 7, faults: [], flaws: [] };
    const { robot, begin } = await arranged(plan, 2);
    robot.tears.push(1, 60);
    const { code, out } = await robot.watch(begin("--json"));
    robot.close();
    expect(robot.tears).toEqual([]);
    expect(robot.told.filter((text) => /^(Put card|The card was taken out)/.test(text)).length).toBe(2);
    expect(robot.told.filter((text) => /halt|REJECT|ASIDE/.test(text))).toEqual([]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ produced: 2, balanced: true, blanks: { good: 2, rejected: 0 } });
  });

  test("stopped while it waits for a card: what is left is told, and nobody asks for more blanks", async () => {
    const plan: LotPlan = { lot: "D4", count: 3, seed: 8, faults: [], flaws: [] };
    const { robot, begin } = await arranged(plan, 2);
    robot.close();
    const run = begin();
    let [out, err] = ["", ""];
    run.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
    run.stderr.on("data", (bytes: Buffer) => {
      const waits = err.includes("Insert the next card");
      err += bytes.toString();
      if (!waits && err.includes("Insert the next card")) run.kill("SIGINT");
    });
    expect(await new Promise((resolve) => run.once("close", resolve))).toBe(1);
    // Once when it is heard, once when it is done.
    expect(err.match(/stopp\w+/gi)).toEqual(["Stopping", "stopped"]);
    expect(err).toContain("stopped by hand; 2 of 2 records are left: run the same command again");
    expect(out).not.toMatch(/stopp/i);
  });

  test("a reader that is not there is told at once and once, with the line file to correct; nobody is asked for a card", async () => {
    const plan: LotPlan = { lot: "D5", count: 2, seed: 9, faults: [], flaws: [] };
    const { robot, begin } = await arranged(plan, 1);
    const line = join(folder, "desk.yaml");
    writeFileSync(line, readFileSync(line, "utf8").replace(/pcsc: "?[^",]*"?/, 'pcsc: "Nobody\'s Reader"'));
    const { code, out } = await robot.watch(begin("--json"));
    robot.close();
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ error: { code: "unplugged", problems: [{ file: line }] } });
    expect(robot.told.filter((text) => /^Insert|^halt|^stop/.test(text))).toEqual([]);
    const [told = "", ...more] = robot.told.filter((text) => text.includes("is not connected"));
    expect(more).toEqual([]);
    expect(told).toContain(
      `${line}: Nobody's Reader, slot 0 is not connected: PC/SC has only "Persoline vpcd`,
    );
    expect(told).toContain("it is the reader: of station desk in this file");
  });

  test("killed with a card in the reader: the same command goes on with that card and makes it once", async () => {
    const plan: LotPlan = { lot: "D2", count: 3, seed: 6, faults: [], flaws: [] };
    const { robot, begin } = await arranged(plan, 2);
    const first = begin("--json");
    const end = robot.watch(first);
    // The first card is good by now; the second has been told a good deal.
    while (!robot.told.some((text) => text.startsWith("GOOD")) || robot.apdus < 40) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    first.kill("SIGKILL");
    await end;
    const { code, out } = await robot.watch(begin("--json"));
    robot.close();
    const good = robot.told.filter((text) => text.startsWith("GOOD"));
    expect(good.map((text) => /card (\S+)/.exec(text)?.[1])).toEqual(["D2-000001", "D2-000002"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ produced: 2, balanced: true, blanks: { good: 2 } });
  });
});
