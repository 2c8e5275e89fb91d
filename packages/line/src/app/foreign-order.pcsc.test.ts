import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import type { Address } from "../devices/reader/vpcd/card-side.js";
import { persoline, program, root } from "./command.test.data.js";
import { ViccBody } from "./vicc.test.data.js";

/** The order on cards of Debian's vicc, made at a desk: journal, accounts and stations as for every other card. */
const examples = join(root, "examples");

let pcscd: Daemon;
beforeAll(async () => {
  pcscd = await startPcscd(2);
});
afterAll(() => pcscd.stop());

let folder: string;
const bodies: ViccBody[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-foreign-"));
});
afterEach(async () => {
  for (const body of bodies.splice(0)) body.close();
  rmSync(folder, { recursive: true, force: true });
  // pcscd has to see that the reader is empty.
  await pause(600);
});
/** Much longer than any card takes, also beside other work. */
const silenceMs = 90_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const body = (kind?: "terminable"): ViccBody => {
  const made = new ViccBody(kind);
  bodies.push(made);
  return made;
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof at === "object" ? (at?.port ?? 0) : 0;
}

const ways = {
  "through pcscd": () => {
    const { pcsc, slot, address } = slotNumber(0);
    return Promise.resolve({ address, reader: `{ pcsc: "${pcsc}", slot: ${String(slot)} }` });
  },
  "over vpcd-direct": async () => {
    const port = await freePort();
    return { address: { host: "127.0.0.1", port }, reader: `{ vpcd: ${String(port)} }` };
  },
} as const;

/** The person at the desk: a pile of bodies, of which the next one is put in, and trays. */
class Person {
  readonly told: string[] = [];
  readonly good: ViccBody[] = [];
  readonly aside: ViccBody[] = [];
  inHand: ViccBody | undefined;
  readonly #pile: ViccBody[];
  readonly #address: Address;

  constructor(pile: readonly ViccBody[], address: Address) {
    this.#pile = [...pile];
    this.#address = address;
  }

  /** Rejects, with all that was told, when the line has said nothing for long: a test that hangs says where. */
  watch(line: ChildProcess): Promise<{ readonly code: number | null; readonly out: string }> {
    let out = "";
    let rest = "";
    let patience: NodeJS.Timeout | undefined;
    line.stdout?.on("data", (bytes: Buffer) => (out += bytes.toString()));
    line.stderr?.on("data", (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) this.#hear(text);
      patience?.refresh();
    });
    return new Promise((resolve, reject) => {
      patience = setTimeout(() => {
        line.kill("SIGKILL");
        reject(new Error(`the line says nothing any more: ${this.told.join(" | ")}`));
      }, silenceMs);
      line.once("close", (code) => {
        clearTimeout(patience);
        resolve({ code, out });
      });
    });
  }

  /** Rejects when the line has ended without saying so. */
  async hears(beginning: string, line: ChildProcess): Promise<void> {
    while (!this.told.some((text) => text.startsWith(beginning))) {
      if (line.exitCode !== null || line.signalCode !== null)
        throw new Error(`the line ended without "${beginning}": ${this.told.join(" | ")}`);
      await pause(20);
    }
  }

  #hear(text: string): void {
    this.told.push(text);
    const [, tray] = /^(GOOD|REJECT|ASIDE|BACK):/.exec(text) ?? [];
    if (text.startsWith("Insert the next card")) {
      this.inHand = this.#pile.shift();
      // People are slower than pcscd looks.
      setTimeout(() => this.inHand?.insert(this.#address), 600);
    } else if (tray !== undefined && this.inHand !== undefined) {
      this.inHand.out();
      (tray === "GOOD" ? this.good : this.aside).push(this.inHand);
      this.inHand = undefined;
    }
  }
}

/** `changed`: another product, by the text of its file. */
async function arranged(way: keyof typeof ways, changed?: (product: string) => string) {
  const { address, reader } = await ways[way]();
  const data = join(folder, "data");
  const delivery = join(examples, "foreign-badge/delivery.csv");
  expect(persoline(["stock", "receive", "F2026A", delivery, "--data", data])).toMatchObject({ code: 0 });
  const desk = readFileSync(join(examples, "lines/desk.yaml"), "utf8");
  writeFileSync(join(folder, "desk.yaml"), desk.replace(/reader: \{.*\}/, `reader: ${reader}`));
  const order = readFileSync(join(examples, "foreign-badge/order.yaml"), "utf8");
  const lineless = order.replaceAll("../", `${examples}/`).replace(/line: .*/, "line: desk.yaml");
  writeFileSync(join(folder, "order.yaml"), lineless);
  if (changed !== undefined) {
    const product = readFileSync(join(examples, "products/foreign-badge/product.yaml"), "utf8");
    writeFileSync(join(folder, "product.yaml"), changed(product));
    writeFileSync(join(folder, "order.yaml"), lineless.replace(/^product: .*$/m, "product: product.yaml"));
  }
  copyFileSync(join(examples, "foreign-badge/people.csv"), join(folder, "people.csv"));
  const begin = (): ChildProcess =>
    spawn(process.execPath, [program, "run", join(folder, "order.yaml"), "--data", data, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
  return { address, data, begin };
}

const labelsOf = (person: Person): string[] =>
  person.told.flatMap((text) => /^GOOD: Take card (\S+)/.exec(text)?.slice(1) ?? []);
const labels = (...numbers: number[]): string[] => numbers.map((number) => `F2026A-00000${String(number)}`);

describe.each(["through pcscd", "over vpcd-direct"] as const)(
  "an order on cards of another maker, %s",
  (way) => {
    test("numbers them, makes and proves them, and gives one back that was made already", async () => {
      const { address, begin, data } = await arranged(way);
      const [first, ...others] = [body(), body(), body(), body()] as const;
      const person = new Person([first, others[0], first, others[1], others[2]], address);
      const { code, out } = await person.watch(begin());
      // All four are made, and the one that was fed again goes back to its place: nothing is wrong with the order.
      expect(code).toBe(0);
      expect(person.told).toContain(
        "BACK: Card F2026A-000001 was made already: take it out and put it back into the good tray of order 2026-420, place 1.",
      );
      expect(person.aside).toEqual([first]);
      expect(labelsOf(person)).toEqual(labels(1, 2, 3, 4));
      expect(person.told.filter((text) => text.includes("has no number yet"))).toHaveLength(4);
      expect(JSON.parse(out)).toMatchObject({
        produced: 4,
        rejects: [],
        blanks: { good: 4 },
      });
      const delivered = persoline(["order", "deliver", "2026-420", "--by", "A. Meyer", "--data", data]);
      expect(delivered.out).toContain("its cards open no gates");
      const stock = JSON.parse(persoline(["stock", "list", "--data", data, "--json"]).out) as unknown;
      expect(stock).toMatchObject({ totals: { received: 6, good: 4, inStock: 2 } });
    });

    test("killed after a command whose answer it never had, again and again: every card is made once, and no PIN is sent twice", async () => {
      const { address, begin } = await arranged(way);
      const pile = [body(), body(), body(), body(), body()];
      const [shown] = pile.slice(3);
      const person = new Person(pile, address);
      let line: ChildProcess | undefined;
      // Its number's file made; its number written; its second EF record appended; its PIN shown, by a card that does not tell its tries.
      const moments = [
        ["00e0", 1],
        ["00d6", 1],
        ["00e2", 2],
        ["0020", 1],
      ] as const;
      for (const [at, [ins, nth]] of moments.entries()) {
        pile[at]?.when(ins, nth, () => line?.kill("SIGKILL"));
      }
      for (const _ of moments) {
        line = begin();
        const end = await person.watch(line);
        expect(end.code).toBe(null);
      }
      line = begin();
      const { code, out } = await person.watch(line);
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({
        produced: 4,
        balanced: true,
        rejects: [{ station: "chip-proof", code: "interrupted" }],
        blanks: { good: 4 },
      });
      expect(labelsOf(person)).toEqual(labels(1, 2, 3, 5));
      expect(person.aside).toEqual([shown]);
      expect(person.good).toEqual(pile.filter((one) => one !== shown));
      // Three, one, two and two zones, in the order of the input; the last record once more.
      expect(pile.map((one) => one.count("00e2"))).toEqual([3, 1, 2, 2, 2]);
      // Three files each; the one whose answer was lost was asked for, and not made again.
      expect(pile.map((one) => one.count("00e0"))).toEqual([3, 3, 3, 3, 3]);
      // Once when the chip is proved, once more in quality control.
      expect(pile.map((one) => one.count("0020"))).toEqual([2, 2, 2, 1, 2]);
    });
  },
);

test("killed when its last EF record was noted as done, and the visit was not noted as passed: nothing is appended again", async () => {
  const { address, begin, data } = await arranged("over vpcd-direct");
  const pile = [body(), body(), body(), body()];
  const [first] = pile;
  if (first === undefined) throw new Error("there is no body");
  const person = new Person(pile, address);
  let line: ChildProcess | undefined = begin();
  // The next SELECT after the third zone: the proof asks who the card is.
  first.when("00e2", 3, () =>
    first.when("00a4", first.count("00a4") + 1, () => {
      line?.kill("SIGKILL");
    }),
  );
  expect((await person.watch(line)).code).toBe(null);
  // The note of the visit is on its way to the disk then; where it had come there already, it is taken back.
  const journal = new Database(join(data, "journal-desk.db"));
  journal.prepare("delete from notes where station = 'personalization' and event = 'passed'").run();
  const last = journal.prepare("select station, event from notes order by id desc limit 1");
  expect(last.get()).toEqual({ station: "personalization", event: "done" });
  journal.close();
  line = begin();
  const { code, out } = await person.watch(line);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ produced: 4, balanced: true, rejects: [], blanks: { good: 4 } });
  expect(person.good).toEqual(pile);
  expect(pile.map((one) => one.count("00e2"))).toEqual([3, 1, 2, 2]);
});

describe("a reject that had been personalized", () => {
  /** Its proof fails: the maker's PIN is another one than the product says. */
  const wrongPin = (product: string): string => product.replace('transport: "1234"', 'transport: "4321"');
  const knowing = (product: string): string =>
    wrongPin(product).replace(
      "  moods:\n",
      '  moods:\n    - { mood: ends, by: terminate-df, seen-on: vicc taught TERMINATE DF, evidence: "00E60000 is answered 9000, everything after it 6285" }\n',
    );

  test.each([
    ["of which nobody has seen that it can be ended: destroy", wrongPin, undefined, "readable", 0],
    ["that knows TERMINATE DF: ended", knowing, "terminable", "terminated", 1],
    ["that was said to know it and does not: destroy", knowing, undefined, "readable", 1],
  ] as const)("%s", async (_name, changed, kind, chip, terminations) => {
    const { address, begin } = await arranged("over vpcd-direct", changed);
    const [one] = [body(kind)];
    const person = new Person([one], address);
    const line = begin();
    const end = person.watch(line);
    await person.hears("REJECT", line);
    line.kill("SIGINT");
    const { out } = await end;
    expect(one.count("00e6")).toBe(terminations);
    const { rejects, reports } = JSON.parse(out) as {
      readonly rejects: readonly unknown[];
      readonly reports: readonly string[];
    };
    expect(rejects).toMatchObject([{ station: "chip-proof", chip }]);
    const [page = "", , table = ""] = reports.map((file) => readFileSync(file, "utf8"));
    expect(page).toContain(chip === "readable" ? "chip left readable: destroy" : "<td>terminated</td>");
    expect(table).toContain(`,${chip},`);
  });
});

test("a card that was numbered here and is another one than was being worked on is refused, not written; the right one goes on", async () => {
  const { address, begin } = await arranged("over vpcd-direct");
  const [made, worked] = [body(), body()] as const;
  const person = new Person([made, worked], address);
  let line: ChildProcess | undefined = begin();
  worked.when("00e2", 1, () => line?.kill("SIGKILL"));
  await person.watch(line);
  expect(person.good).toEqual([made]);
  // The wrong one is put back after the cut.
  worked.out();
  const before = made.count("00d6");
  const other = new Person([], address);
  other.inHand = made;
  made.insert(address);
  line = begin();
  const end = other.watch(line);
  await other.hears("OTHER CARD", line);
  made.out();
  other.inHand = worked;
  worked.insert(address);
  await other.hears("GOOD", line);
  line.kill("SIGTERM");
  await end;
  expect(made.count("00d6")).toBe(before);
  expect(other.told.join("\n")).toContain(
    "OTHER CARD: This is card F2026A-000001, not card F2026A-000002: take it out.",
  );
  expect(other.good).toEqual([worked]);
});
