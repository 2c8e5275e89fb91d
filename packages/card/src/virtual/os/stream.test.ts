import fc from "fast-check";
import { expect, test } from "vitest";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../tools/os-bench.js";
import { hex } from "../../bytes/index.js";
import { memoryStore } from "../index.js";

const rules = tlv("AB", "8001019000", "80011E9E0140");
const byte = (n: number): string => hex(Uint8Array.of(n & 0xff));

/** Files nobody in the stream may touch: in a DF of their own, all over the body area, with holes between them. */
const kept: readonly (readonly [string, string, string])[] = [
  ["0901", create("820101", "83020901", "800200C0", rules), command("00D60000", "A5".repeat(0xc0))],
  ["0902", create("82050221003005", "83020902", rules), command("00DC0204", "B6".repeat(0x30))],
  ["0903", create("82050421002004", "83020903", rules), command("00E20000", "C7".repeat(0x11))],
  ["0904", create("82050621001803", "83020904", rules), command("00DC0003", "D8".repeat(0x18))],
];
const reads = ["00B0000000", "00B2010400", "00B2020400", "00B2030400"];

function prepared(): Uint8Array {
  const bench = new Bench(completedStore());
  bench.open(0x01);
  const all = [createMf, create("820138", "83020900")];
  const gaps: string[] = [];
  for (const [at, [fid, made, filled]] of kept.entries()) {
    const gap = `08${byte(at)}`;
    all.push(made, filled, activate(fid), create("820101", `8302${gap}`, "80020100"));
    gaps.push(`00E4000002${gap}`);
  }
  for (const sent of [...all, ...gaps]) {
    const answered = bench.safe(sent);
    if (answered !== "9000") throw new Error(`${sent} was answered ${answered}`);
  }
  return bench.store.load();
}

const activate = (fid: string): string => `0044000002${fid}`;

/** The kept files as anyone can read them. */
function state(bench: Bench): string {
  return kept
    .flatMap(([fid]) => [`00A40804040900${fid}00`, ...reads].map((sent) => bench.say(sent)))
    .join(" ");
}

const fids = ["0101", "0102", "0103", "0104"];
const small = fc.nat(5);
const size = fc.integer({ min: 1, max: 400 });
const data = fc.uint8Array({ minLength: 1, maxLength: 60 }).map(hex);
const fid = fc.constantFrom(...fids);
const two = (n: number): string => byte(n >> 8) + byte(n);

/** Commands that belong to four files of one DF, well formed and not. */
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fid, size).map(([f, n]) => create("820101", `8302${f}`, `8002${two(n)}`, rules)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fid,
        fc.constantFrom("02", "04", "06"),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 6 }),
      )
      .map(([f, kind, length, count]) =>
        create(`8205${kind}2100${byte(length)}${byte(count)}`, `8302${f}`, rules),
      ),
  },
  { weight: 2, arbitrary: fid.map((f) => `00E4000002${f}`) },
  { weight: 4, arbitrary: fid.map((f) => `00A4000C02${f}`) },
  { weight: 2, arbitrary: fid.map((f) => `00A40804040100${f}00`) },
  // Not to the MF: deactivating it would rightly close all files.
  { weight: 1, arbitrary: fc.constant("00A4000C020100") },
  { weight: 2, arbitrary: fc.constantFrom("00440000", "00040000") },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.nat(500), data).map(([at, bytes]) => command(`00D6${two(at)}`, bytes)),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(small, small, data)
      .map(([p1, p2, bytes]) => command(`00DC${byte(p1)}${byte(p2)}`, bytes)),
  },
  { weight: 3, arbitrary: data.map((bytes) => command("00E20000", bytes)) },
  { weight: 2, arbitrary: fc.tuple(small, small).map(([p1, p2]) => `00B2${byte(p1)}${byte(p2)}00`) },
  { weight: 2, arbitrary: fc.nat(500).map((at) => `00B0${two(at)}00`) },
  { weight: 1, arbitrary: fc.constant("80D8000118" + "00".repeat(24)) },
  { weight: 1, arbitrary: fc.constant("0024018110" + "00".repeat(16)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("00", "80"),
        fc.nat(255),
        fc.nat(255),
        fc.nat(255),
        fc.uint8Array({ minLength: 1, maxLength: 30 }),
      )
      // Not to the files that are kept, nor the end of the card or of its keys.
      .filter(
        ([cla, ins, p1]) => !(ins === 0xfe || ins === 0xf0 || (cla === "00" && ins === 0xa4) || p1 === 0x09),
      )
      .map(([cla, ins, p1, p2, bytes]) => command(`${cla}${byte(ins)}${byte(p1)}${byte(p2)}`, hex(bytes))),
  },
);

const content = prepared();

function streamed(steps: readonly string[], tornAt: number | undefined): void {
  const bench = new Bench(memoryStore(content));
  const before = state(bench);
  bench.open(0x01);
  bench.safe("00A4000C023F00");
  bench.safe(create("820138", "83020100"));
  if (tornAt !== undefined) bench.again({ kind: "torn-at", write: tornAt });
  let alive = true;
  const enter = (): void => {
    alive = bench.open(0x01) === "9000" && bench.safe("00A4000C020100") === "9000";
  };
  enter();
  for (const sent of steps) {
    const answered = alive ? bench.safe(sent) : "mute";
    if (answered === "mute") {
      bench.again();
      enter();
    } else if (answered === "6982") {
      // The session may be gone.
      enter();
    }
    expect(answered).toMatch(/^(mute|([0-9A-F]{2})*(9000|6[1-9A-F][0-9A-F]{2}))$/);
    expect(answered.length).toBeLessThanOrEqual(516);
  }
  // The cut may have come while the last session was opened.
  if (!alive) bench.again();
  expect(state(bench)).toBe(before);
  bench.again();
  expect(state(bench)).toBe(before);
}

test("random streams of commands never touch another file, and never end the card", () => {
  expect(() =>
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => streamed(steps, undefined)),
      { numRuns: 50 },
    ),
  ).not.toThrow();
}, 30_000);

test("nor does a stream with a power cut in the middle of any write", () => {
  expect(() =>
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 5, maxLength: 30 }),
        fc.integer({ min: 3, max: 60 }),
        (steps, write) => streamed(steps, write),
      ),
      { numRuns: 50 },
    ),
  ).not.toThrow();
}, 30_000);

/** What a transparent EF must hold after a stream of updates, cuts and resets: the model is an array. */
test("a file holds exactly what was written to it, whatever is cut", () => {
  const update = fc.record({
    at: fc.nat(299),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }),
    tear: fc.option(fc.integer({ min: 1, max: 8 })),
  });
  expect(() =>
    fc.assert(
      fc.property(fc.array(update, { minLength: 1, maxLength: 12 }), (updates) => {
        const bench = new Bench(memoryStore(content));
        bench.open(0x01);
        bench.safe("00A4000C023F00");
        bench.safe(create("820101", "83020101", "8002012C", tlv("AB", "8001039000")));
        bench.safe("00440000");
        let model = new Uint8Array(300).fill(0xff);
        const found = (): string =>
          bench.say("00B0000096").slice(0, -4) + bench.say("00B0009696").slice(0, -4);
        for (const { at, bytes, tear } of updates) {
          bench.again(...(tear === null ? [] : [{ kind: "torn-at" as const, write: tear }]));
          bench.say("00A4000C020101");
          const answered = bench.say(command(`00D6${two(at)}`, hex(bytes)));
          const fits = at + bytes.length <= 300;
          const next = model.slice();
          if (fits) next.set(bytes, at);
          const cut = answered === "mute";
          if (cut) bench.again();
          bench.say("00A4000C020101");
          // Cut: the old content or the new one. Not cut: what the answer says.
          expect(cut || answered === (fits ? "9000" : "6A84")).toBe(true);
          if (!cut || found() === hex(next)) model = next;
          expect(found()).toBe(hex(model));
        }
      }),
      { numRuns: 40 },
    ),
  ).not.toThrow();
}, 30_000);
