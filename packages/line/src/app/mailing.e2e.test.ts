/**
 * An order by mail, as a bureau would do it with the command line: a drill through everything, so it starts the program more often than others.
 * Printed carriers are read back by poppler (Debian: poppler-utils) and by a code reader.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
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
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type bwipJs from "bwip-js";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { codesIn } from "../stations/quality/index.js";
import { openStore } from "../store/store.js";
import { idealLine, persoline, program, smallOrder } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

const people = 5;
let folder: string;
let data: string;
let orderFile: string;
let line: string;
let desk: string;
let camera: string;

const said = (...words: string[]): string => {
  const { code, out, err } = persoline([...words, "--data", data]);
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${String(code)}: ${err}`);
  return out;
};
const refused = (...words: string[]): string => {
  const { code, err } = persoline([...words, "--data", data]);
  expect(code).toBe(1);
  return err;
};
/** Carriers that are not void, as the accounts have them. */
async function inForce(): Promise<string[]> {
  const store = await openStore({ file: join(data, "persoline.db") });
  try {
    const list = await store.carriers.list("T-1");
    return list.flatMap(({ record, carrier, state }) =>
      state === "void" ? [] : [`${String(record)} ${carrier} ${state}`],
    );
  } finally {
    await store.close();
  }
}
const produce = (): Produced => JSON.parse(said("run", orderFile, "--line", line, "--json")) as Produced;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-mailing-"));
  data = join(folder, "data");
  orderFile = smallOrder(folder, people);
  const withMailer = (name: string, mailing: string): string => {
    mkdirSync(join(folder, name));
    return idealLine(join(folder, name), "ideal", (text) =>
      text.replace("count: 20100", "count: 20").concat(`\nmailing: ${mailing}\n`),
    );
  };
  line = withMailer("machine", "{ mailer: simulated, faults: [{ carrier: 2, fault: swapped }] }");
  desk = withMailer("desk", "{ mailer: desk }");
  mkdirSync(join(folder, "pictures"));
  camera = withMailer("camera", `{ mailer: desk, camera: { folder: ${join(folder, "pictures")} } }`);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A mailing that a person (this test) serves. */
class Served {
  readonly #child: ChildProcessWithoutNullStreams;
  #told = "";
  constructor(lineFile: string) {
    this.#child = spawn(process.execPath, [
      program,
      "mailing",
      "run",
      "T-1",
      "--line",
      lineFile,
      "--data",
      data,
    ]);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#told += text;
      });
  }
  /** Waits for words, and forgets what was said up to them. */
  async hears(words: string): Promise<void> {
    for (;;) {
      const at = this.#told.indexOf(words);
      if (at >= 0) {
        this.#told = this.#told.slice(at + words.length);
        return;
      }
      if (this.#child.exitCode !== null) throw new Error(`it ended without "${words}": ${this.#told}`);
      await Promise.race([
        once(this.#child.stdout, "data"),
        once(this.#child.stderr, "data"),
        once(this.#child, "exit"),
      ]);
    }
  }
  types(text: string): void {
    this.#child.stdin.write(`${text}\n`);
  }
  async ends(signal?: "SIGKILL" | "SIGINT"): Promise<number | null> {
    const ended = this.#child.exitCode === null ? once(this.#child, "exit") : undefined;
    if (signal !== undefined) this.#child.kill(signal);
    await ended;
    return this.#child.exitCode;
  }
}

/** Pages as poppler draws them. */
function pagesOf(pdf: string, dpi: number): string[] {
  try {
    execFileSync("pdftoppm", ["-r", String(dpi), "-png", pdf, join(folder, "page")], { stdio: "pipe" });
  } catch (cause) {
    throw new Error("this test needs poppler (Debian: apt-get install poppler-utils)", { cause });
  }
  return readdirSync(folder)
    .filter((name) => /^page-\d+\.png$/.test(name))
    .toSorted()
    .map((name) => join(folder, name));
}

async function greyOf(picture: string | Uint8Array) {
  const { data: grey, info } = await sharp(picture).greyscale().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, grey: new Uint8Array(grey) };
}

/** What the mailing's camera sees: a carrier's page with a card on it, whose code says its number. */
async function photograph(page: string, cardNumber: string, name: string): Promise<void> {
  const bwip = createRequire(import.meta.url)("bwip-js") as typeof bwipJs;
  const code = await bwip.toBuffer({
    bcid: "qrcode",
    text: cardNumber,
    scale: 4,
    padding: 4,
    backgroundcolor: "FFFFFF",
  });
  const taken = await sharp(page)
    .composite([{ input: code, left: 500, top: 1100 }])
    .rotate(3, { background: "#777" })
    .blur(0.6)
    .jpeg({ quality: 80 })
    .toBuffer();
  const draft = join(folder, "pictures", `.${name}.part`);
  writeFileSync(draft, taken);
  renameSync(draft, join(folder, "pictures", `${name}.jpg`));
}

const bodyOf = (record: number): string =>
  readdirSync(join(data, "shop-floor/good/T-1")).find((name) => name.startsWith(`00000${String(record)}-`)) ??
  "";

test("an order by mail: carriers in the input's order, swapped ones found, a killed mailing kept apart, all made anew, mailed, delivered, erased", async () => {
  expect(produce()).toMatchObject({ produced: people, balanced: true });
  said("mailing", "print", "T-1");
  const file = join(data, "carriers/T-1/C-0000001.pdf");
  const pages = pagesOf(file, 150);
  const codes = await Promise.all(pages.map(async (page) => codesIn(await greyOf(page))));
  expect(codes).toEqual([1, 2, 3, 4, 5].map((record) => [`C-000000${String(record)}`]));
  said("letters", "release", "T-1", "--by", "Ada", "--witness", "Bo");
  expect(refused("order", "deliver", "T-1")).toContain("5 of the 5 good cards of order T-1 are not mailed");

  // Two carriers lie the wrong way round: the second pair stops it.
  const stopped = refused("mailing", "run", "T-1", "--line", line);
  expect(stopped).toContain("the card of record 2 lay before the carrier of record 3 when record 2 was due");
  expect(stopped).toContain("destroyed: C-0000002, C-0000003.");
  expect(await inForce()).toEqual(["1 C-0000001 mailed", "4 C-0000004 printed", "5 C-0000005 printed"]);
  const remade = produce();
  expect(remade).toMatchObject({
    produced: people,
    balanced: true,
    blanks: { used: people + 1, rejected: 1 },
  });
  expect(remade.rejects).toMatchObject([{ station: "mailing", code: "carrier-mismatch" }]);
  said("mailing", "print", "T-1");

  // At a desk, killed when the person was told to fix: nobody knows whether it was done.
  const person = new Served(desk);
  await person.hears("Scan the carrier");
  person.types("C-0000006");
  await person.hears("Scan the card");
  person.types(bodyOf(2).slice(7));
  await person.hears("MATCH");
  await person.ends("SIGKILL");
  expect(await inForce()).toContain("2 C-0000006 fixing");
  const after = new Served(desk);
  await after.hears("STOP: put carrier C-0000006 and card ");
  renameSync(join(data, "shop-floor/good/T-1", bodyOf(2)), join(data, "shop-floor/apart", bodyOf(2)));
  after.types("");
  await after.hears("nobody knows whether it was");
  expect(await after.ends()).toBe(1);
  expect(produce()).toMatchObject({ balanced: true, blanks: { used: people + 2, rejected: 2 } });
  said("mailing", "print", "T-1");
  expect(await inForce()).toContain("2 C-0000008 printed");

  // Under a camera: what belongs together is fixed; Ctrl-C ends it before the next pair.
  const [again = ""] = pagesOf(join(data, "carriers/T-1/C-0000008.pdf"), 150);
  const seen = new Served(camera);
  await seen.hears("under the camera");
  // A remade card's number stands on its reject too, and so it is no proof.
  await photograph(again, "T-1-0002", "first");
  await seen.hears("does not tell it from a reject");
  expect(await seen.ends()).toBe(1);
  const byLabel = new Served(camera);
  await byLabel.hears("under the camera");
  await photograph(again, bodyOf(2).slice(7), "second");
  await byLabel.hears("MATCH");
  byLabel.types("");
  await byLabel.hears("under the camera");
  expect(await byLabel.ends("SIGINT")).toBe(1);
  expect(await inForce()).toContain("2 C-0000008 mailed");
  writeFileSync(join(data, "shop-floor/good/T-1", bodyOf(2), "fixed-to.txt"), "C-0000008\n");

  said("mailing", "replace", "C-0000005", "--reason", "torn in the feeder");
  expect(said("mailing", "run", "T-1", "--line", line)).toBe("Order T-1: 5 of 5 good cards are mailed.\n");
  expect((await inForce()).map((one) => one.replace(/C-\d+ /, ""))).toEqual(
    ["1", "4", "3", "2", "5"].map((record) => `${record} mailed`),
  );
  said("letters", "release", "T-1", "--by", "Ada", "--witness", "Bo");
  said("order", "result", "T-1");
  expect(readFileSync(join(data, "reports/T-1/result.txt"), "utf8")).toContain(
    "total\trecords=5\tgood=5\theld=0\tgiven-up=0\tmissing=0\tcancelled=2\n",
  );
  expect(said("audit", "verify")).toContain("whole");
  // The first batch went with the letters of the cards that were set apart; the print room had printed it before.
  expect(refused("order", "deliver", "T-1", "--by", "Ada")).toContain("--printed B-0000001");
  said("order", "deliver", "T-1", "--by", "Ada", "--printed", "B-0000001");

  said("stock", "destroy", "--rejects", "T-1", "--reason", "mailing", "--by", "Ada", "--witness", "Bo");
  said("order", "close", "T-1");
  said("order", "erase", "T-1", "--by", "Ada", "--and", "Bo");
  expect(existsSync(join(data, "carriers/T-1"))).toBe(false);
}, 900_000);
