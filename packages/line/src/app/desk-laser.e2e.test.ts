/**
 * A desk with a laser that takes files and a camera that puts files into a folder, neither of them this program's: what the laser was handed
 * is drawn onto the plastic by poppler, the blank's print by librsvg, and the camera's pictures are made of nothing else.
 */
import { execFileSync, spawn } from "node:child_process";
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
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { random } from "@persoline/card/node";
import type { VirtualCard } from "@persoline/card/virtual";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CardSlot } from "../devices/reader/vpcd/card-side.js";
import type { RaisedLine } from "../devices/shop-floor/faces.js";
import { lightRelief } from "../devices/shop-floor/relief.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { parseLine } from "../stations/line-file.js";
import { type Ended, persoline, program, root, smallOrder } from "./command.test.data.js";
import type { Produced } from "./end-run.js";
import { readKeyFile } from "./key-file.js";

type Side = "front" | "back";

const folder = mkdtempSync(join(tmpdir(), "persoline-desk-laser-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const here = (name: string): string => join(folder, name);
const spool = here("spool");
const records = here("records");
const shots = here("shots");
const ask = here("ask");
const poppler = "pdftoppm";
const people = 2;
const lot = { lot: "D1", count: people + 1, seed: 5, faults: [], flaws: [] } as const;

/** Dots an inch of everything that is drawn here; some 14 a millimetre. */
const dpi = 360;
const size = { width: Math.round((85.6 / 25.4) * dpi), height: Math.round((53.98 / 25.4) * dpi) };
const mm = (value: number): number => Math.round((value / 25.4) * dpi);

/**
 * A page of the laser's own file as poppler draws it, 0 = no mark, 255 = a full one: three times as fine as it is wanted, since poppler lays
 * upright strokes onto whole dots.
 */
async function marksIn(pdf: string): Promise<Uint8Array> {
  let png: Buffer;
  try {
    png = execFileSync(poppler, ["-r", String(3 * dpi), "-gray", "-png", "-singlefile", pdf], {
      maxBuffer: 1 << 26,
    });
  } catch (cause) {
    throw new Error("this test needs poppler (Debian: apt-get install poppler-utils)", { cause });
  }
  const grey = await sharp(png)
    .resize({ ...size, fit: "fill" })
    .greyscale()
    .raw()
    .toBuffer();
  return new Uint8Array(grey.map((tone) => 255 - tone));
}

/** The blank's print, drawn from the designer's file; the drawing has 2 mm of bleed. */
async function printOf(side: Side): Promise<Uint8Array> {
  const file = join(root, `examples/products/office-access/layout/artwork/${side}.svg`);
  const whole = { width: mm(89.6), height: mm(57.98) };
  const rgb = await sharp(file, { density: dpi })
    .resize({ ...whole, fit: "fill" })
    .extract({ left: mm(2), top: mm(2), ...size })
    .flatten({ background: "#ffffff" })
    .raw()
    .toBuffer();
  // Luma of ITU-R BT.601, as a camera's grey is.
  return Uint8Array.from({ length: size.width * size.height }, (_, at) =>
    Math.round(0.299 * (rgb[3 * at] ?? 0) + 0.587 * (rgb[3 * at + 1] ?? 0) + 0.114 * (rgb[3 * at + 2] ?? 0)),
  );
}

/** The lines that an embosser's records ask for, as the manual of this one has them. */
const linesIn = (records: Buffer): readonly RaisedLine[] =>
  [
    ...records
      .toString("latin1")
      .replaceAll("\u001B", "<ESC>")
      .matchAll(/<ESC>F([12])<ESC>H(\d{4})<ESC>V(\d{4})([^\r]+)\r/g),
  ].map(([, wheel, x, y, text = ""]) => ({
    text,
    font: wheel === "1" ? "7B" : "4B",
    x: (Number(x) / 1000) * 25.4,
    yFromBottom: (Number(y) / 1000) * 25.4,
    pitch: wheel === "1" ? 25.4 / 7 : 2.54,
  }));

/** What light makes of raised characters, as a share of what comes back without them. */
async function reliefOf(side: Side, lines: readonly RaisedLine[]): Promise<(at: number) => number> {
  const [width, height] = [1011, 638];
  const half = { grey: new Uint8Array(width * height).fill(128), width, height };
  lightRelief(half, side, lines, { x: -0.7, y: -0.7, strength: 0.35 }, 128);
  const seen = await sharp(half.grey, { raw: { width, height, channels: 1 } })
    .resize({ ...size, fit: "fill" })
    .extractChannel(0)
    .raw()
    .toBuffer();
  return (at) => (seen[at] ?? 128) / 128;
}

/** What a camera over a dark belt sees of a side: light from one corner, a sensor's noise, the card a little turned. */
async function shotOf(
  side: Side,
  marks: Uint8Array,
  raised: readonly RaisedLine[],
  exposure: number,
): Promise<Buffer> {
  const print = await printOf(side);
  const relief = await reliefOf(side, raised);
  const grey = Buffer.alloc(size.width * size.height);
  let state = exposure + 1;
  const noise = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return ((state >>> 16) / 65_536 - 0.5) * 6;
  };
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const at = y * size.width + x;
      const light = 214 * (1 - 0.06 * (x / size.width + y / size.height));
      const burnt = 1 - 0.8 * ((marks[at] ?? 0) / 255);
      const contact = side === "front" && x > mm(9.6) && x < mm(20.6) && y > mm(18.3) && y < mm(29.5);
      const metal = (x - mm(9.6)) % mm(3.6) < 4 || (y - mm(18.3)) % mm(2.8) < 4 ? 95 : 168;
      const seen = contact ? metal : light * ((print[at] ?? 255) / 255) * burnt * relief(at);
      grey[at] = Math.max(0, Math.min(255, Math.round(seen + noise())));
    }
  }
  // Rounded corners, then the belt.
  const outline = Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(size.width)}" height="${String(size.height)}"><rect width="${String(size.width)}" height="${String(size.height)}" rx="${String(mm(3.18))}" fill="#fff"/></svg>`,
  );
  const card = await sharp(grey, { raw: { ...size, channels: 1 } })
    .toColourspace("srgb")
    .joinChannel(await sharp(outline).greyscale().extractChannel(0).toBuffer())
    .png()
    .toBuffer();
  const belt = { background: { r: 52, g: 52, b: 52, alpha: 1 } };
  const turned = await sharp(card)
    .flatten(belt)
    .rotate(exposure % 2 === 0 ? 0.7 : -0.5, belt)
    .png()
    .toBuffer();
  return sharp(turned)
    .extend({ top: 70, bottom: 60, left: 80, right: 75, ...belt })
    .blur(0.8)
    .greyscale()
    .jpeg({ quality: 92 })
    .toBuffer();
}

/** Person, laser, embosser and camera of the desk, in one: whatever lies in the reader is marked and looked at. */
class Bench {
  readonly told: string[] = [];
  giveUp: (() => void) | undefined;
  readonly #slot: CardSlot;
  readonly #floor: ShopFloor;
  readonly delivery: string;
  #next = 1;
  #inHand: VirtualCard | undefined;
  /** What was burnt on the card in hand, and on the one before it. */
  #burnt: Uint8Array[] = [];
  #before: Uint8Array[] = [];
  #exposures = 0;
  readonly #taken = new Set<string>();
  embossed = 0;
  /** On the card in hand. */
  #raised: readonly RaisedLine[] = [];
  #busy = false;
  #failed: Error | undefined;
  readonly #watch = setInterval(() => {
    if (this.#busy) return;
    this.#busy = true;
    this.#look()
      .catch((problem: unknown) => {
        this.#failed = problem instanceof Error ? problem : new Error("the bench failed");
      })
      .finally(() => {
        this.#busy = false;
      });
  }, 20);

  /** `mixesUp`: the so manieth card gets what was burnt on the one before it. */
  constructor(
    port: number,
    loaderMaster: Uint8Array,
    readonly mixesUp: number,
  ) {
    this.#slot = new CardSlot({ address: { host: "127.0.0.1", port } });
    this.#floor = new ShopFloor(here("tray"), virtualSilicon({ loaderMaster, random }));
    const items = this.#floor.makeLot(lot);
    this.delivery = ["label,serial", ...items.map(({ label, serial }) => `${label},${serial}`)].join("\n");
  }

  hear(text: string): void {
    this.told.push(text);
    if (text.startsWith("Insert the next card")) this.#take();
    else if (/^(GOOD|REJECT|ASIDE|BACK):/.test(text)) {
      this.#slot.remove();
      this.#inHand = undefined;
    } else if (text.startsWith("Put card") && this.#inHand !== undefined) this.#slot.insert(this.#inHand);
  }

  #take(): void {
    // More rejects than there should be: the person gives up.
    if (this.#next > lot.count) return this.giveUp?.();
    const body = this.#floor.find(`${lot.lot}-${String(this.#next++).padStart(6, "0")}`);
    const card = body === undefined ? undefined : this.#floor.loadCard(body.dir).card;
    this.#inHand = card;
    this.#before = this.#burnt;
    this.#burnt = [];
    this.#raised = [];
    setTimeout(() => {
      if (card !== undefined) this.#slot.insert(card);
    }, 300);
  }

  async #look(): Promise<void> {
    for (const name of readdirSync(spool).filter((one) => /^persoline-\w+\.pdf$/.test(one))) {
      const id = name.slice(0, -".pdf".length);
      if (this.#taken.has(id)) continue;
      this.#taken.add(id);
      const marks = await marksIn(join(spool, name));
      // Front, then back. A laser whose program shows the file before burns that.
      const side = this.#burnt.length;
      this.#burnt.push(this.#next - 1 === this.mixesUp ? (this.#before[side] ?? marks) : marks);
      writeFileSync(join(spool, `${id}.done`), "");
    }
    for (const name of readdirSync(records).filter((one) => one.endsWith(".card"))) {
      const answer = join(records, name.replace(/card$/, "answer"));
      if (existsSync(answer)) continue;
      const bytes = readFileSync(join(records, name));
      if (!bytes.subarray(0, 3).equals(Buffer.from([0x02, 0x1b, 0x43])))
        throw new Error("these are no records of a card");
      this.#raised = linesIn(bytes);
      this.embossed++;
      writeFileSync(`${answer}.new`, Buffer.from([0x1b, 0x4b]));
      renameSync(`${answer}.new`, answer);
    }
    if (!existsSync(ask)) return;
    const [number = "", side = ""] = readFileSync(ask, "utf8").trim().split(" ");
    const to = join(shots, `${number}-${side}.jpg`);
    const marks = this.#burnt[side === "front" ? 0 : 1];
    if (existsSync(to) || marks === undefined || (side !== "front" && side !== "back")) return;
    const jpeg = await shotOf(side, marks, this.#raised, ++this.#exposures);
    writeFileSync(here("half.jpg"), jpeg);
    renameSync(here("half.jpg"), to);
  }

  close(): void {
    clearInterval(this.#watch);
    this.#slot.remove();
    this.#floor.close();
    if (this.#failed !== undefined) throw this.#failed;
  }
}

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

let bench: Bench;
let code: number | null;
let made: Produced;
let received: Ended;
beforeAll(async () => {
  for (const each of [spool, records, shots]) mkdirSync(each);
  const port = await freePort();
  const key = (await readKeyFile(join(root, "examples/keys/test-keys.yaml"))).keys.find(
    ({ use }) => use === "loader",
  );
  bench = new Bench(port, unhex(key?.published ?? ""), 2);
  const line = here("line.yaml");
  const text = readFileSync(join(root, "examples/lines/desk-laser.yaml"), "utf8")
    .replace(/reader: .*/, `reader: { vpcd: ${String(port)}, answerSeconds: 60 }`)
    .replace(
      /engraver: .*/,
      `engraver: { settings: ${join(root, "examples/lasers/fibre.yaml")}, format: pdf, folder: spool, withinSeconds: 300 }`,
    )
    .replace(/camera: .*/, "camera: { folder: shots, ask: ask, seconds: 120 }")
    .replace("folder: records", "folder: records\n      cardSeconds: 300");
  writeFileSync(line, text);
  writeFileSync(here("delivery.csv"), bench.delivery);
  const data = here("data");
  received = persoline(["stock", "receive", lot.lot, here("delivery.csv"), "--data", data]);
  const words = ["run", smallOrder(folder, people), "--line", line, "--data", data, "--json"];
  const run = spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  bench.giveUp = () => run.kill("SIGINT");
  let out = "";
  let rest = "";
  run.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
  run.stderr.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const told of lines) bench.hear(told);
  });
  code = await new Promise((ended) => run.once("close", ended));
  bench.close();
  made = JSON.parse(out) as Produced;
}, 600_000);

test("cards that another program drew from the laser's files are seen, judged and found good", () => {
  expect(received).toMatchObject({ code: 0, err: "" });
  expect(code).toBe(0);
  expect(made).toMatchObject({ records: people, produced: people, held: 0, balanced: true });
  expect(bench.told.filter((told) => told.startsWith("GOOD"))).toHaveLength(people);
});

test("the card on which the laser burnt the file before is told by its own picture, and made again", () => {
  expect(made.blanks).toMatchObject({ good: people, rejected: 1, remade: 1 });
  expect(made.rejects.map(({ station, code: why }) => `${station}: ${why}`)).toEqual([
    "quality: picture-wrong",
  ]);
  expect(made.rejects[0]?.reason).toMatch(/front (name|number): /);
});

test("nothing of a card stays in the folders of laser and embosser", () => {
  expect(bench.embossed).toBe(people + 1);
  expect(readdirSync(spool)).toEqual([]);
  expect(readdirSync(records).filter((name) => !name.endsWith(".done"))).toEqual([]);
});

test("the example's line is the one that was run, but for its machines", () => {
  const [station] = parseLine(
    readFileSync(join(root, "examples/lines/desk-laser.yaml"), "utf8"),
    "line.yaml",
  ).stations;
  expect(station?.camera).not.toBe("simulated");
});
