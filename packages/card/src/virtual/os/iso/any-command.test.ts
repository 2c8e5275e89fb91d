import fc from "fast-check";
import { expect, test } from "vitest";
import { image20, on, powered } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../../tools/os-bench.js";
import { hex, unhex } from "../../../bytes/index.js";
import { memoryStore } from "../../index.js";
import { IMAGE_COMMANDS } from "./commands.js";

const instructions = [
  ...new Set([...IMAGE_COMMANDS.keys()].map((key) => key & 0xff)),
  0x70,
  0xfe,
  0x88,
  0x5c,
];
const all = tlv("AB", "80017F9000");
const hexByte = (n: number): string => hex(Uint8Array.of(n & 0xff));

/** A card with a file of every kind, open to all, and one that nobody may read or change. */
function prepared(): Uint8Array {
  const bench = new Bench(completedStore(image20));
  bench.open(0x01);
  const kinds = ["820101", "82020161", "82050221000804", "82050421000804", "82050641000804", "82023921"];
  const steps = [
    createMf,
    create("820101", "83020900", "80020040", tlv("AB", "80017F9700")),
    command("00D60000", "A5".repeat(64)),
    create("820138", "83020100", all),
    ...kinds.map((kind, at) =>
      create(
        kind,
        `8302010${at + 1}`,
        ...(kind.length < 10 ? ["80020040"] : []),
        `8801${hexByte((at + 1) << 3)}`,
        all,
      ),
    ),
    "00A4000C023F00",
    "00440200020900",
  ];
  for (const sent of steps) {
    const answered = bench.safe(sent);
    if (answered !== "9000") throw new Error(`${sent} was answered ${answered}`);
  }
  for (const fid of ["0101", "0102", "0103", "0104", "0105", "0106"]) {
    bench.safe(`00A4080C040100${fid}`);
    bench.safe("00440000");
  }
  bench.safe("00440000020100");
  return bench.store.load();
}
const content = prepared();
const sealedFrom = 0x3400 + 2 * 64;

const objects = fc
  .tuple(fc.nat(80), fc.uint8Array({ minLength: 1, maxLength: 20 }))
  .map(([offset, data]) => unhex(tlv("54", hexByte(offset)) + tlv("53", hex(data))));
const data = fc.oneof(
  fc.constant(new Uint8Array(0)),
  fc.constantFrom(...["0100", "3F00", "01000102", "0101", "0106", "5C00"].map(unhex)),
  objects,
  fc.uint8Array({ maxLength: 40 }),
);
const apdu = fc
  .record({
    cla: fc.oneof(
      { weight: 8, arbitrary: fc.constant(0x00) },
      { weight: 1, arbitrary: fc.constantFrom(0x10, 0x0c, 0x80, 0x04, 0x01) },
    ),
    ins: fc.constantFrom(...instructions.filter((ins) => ins !== 0xfe)),
    p1: fc.oneof(fc.constantFrom(0, 1, 2, 4, 8, 9, 0x81, 0x83), fc.nat(255)),
    p2: fc.oneof(fc.constantFrom(0, 1, 2, 4, 5, 6, 0x0c, 0x1c, 0x24), fc.nat(255)),
    data,
    le: fc.constantFrom(undefined, 0, 1, 0x40),
    extended: fc.boolean(),
  })
  .map(({ cla, ins, p1, p2, data: bytes, le, extended }) => {
    const end = le === undefined ? [] : [le];
    if (!extended)
      return Uint8Array.of(cla, ins, p1, p2, ...(bytes.length > 0 ? [bytes.length, ...bytes] : []), ...end);
    const wide = le === undefined ? [] : [0, le];
    if (bytes.length === 0) return Uint8Array.of(cla, ins, p1, p2, ...(le === undefined ? [] : [0, ...wide]));
    return Uint8Array.of(cla, ins, p1, p2, 0, 0, bytes.length, ...bytes, ...wide);
  });

const two = fc.nat(0x48).map(hexByte);
const number = fc.integer({ min: 0, max: 5 }).map(hexByte);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 12 }).map(hex);
/** What belongs to the files, well formed. */
const fitting = fc
  .oneof(
    fc.integer({ min: 1, max: 6 }).map((n) => `00A4080C040100010${n}`),
    two.map((offset) => `00B000${offset}00`),
    fc
      .tuple(fc.constantFrom("D0", "D6", "A0"), two, bytes)
      .map(([ins, at, what]) => command(`00${ins}00${at}`, what)),
    two.map((offset) => `000E00${offset}`),
    fc
      .tuple(fc.constantFrom("B2", "0C"), number, fc.constantFrom("04", "05"))
      .map(([ins, n, mode]) => `00${ins}${n}${mode}${ins === "B2" ? "00" : ""}`),
    fc
      .tuple(fc.constantFrom("DC", "D2"), number, fc.uint8Array({ minLength: 8, maxLength: 8 }))
      .map(([ins, n, what]) => command(`00${ins}${n}04`, hex(what))),
    bytes.map((what) => command("00E20000", what)),
    fc.tuple(number, bytes).map(([n, what]) => `${command(`00A2${n}04`, what)}00`),
    bytes.map((what) => command("00DA005A", what)),
    fc.constantFrom(
      "00CA005A00",
      "00CB3FFF025C0000",
      "0084000008",
      "0022C1A403830108",
      "00440000",
      "00040000",
    ),
  )
  .map(unhex);

const first = fc.integer({ min: 1, max: 6 }).map((n) => unhex(`00A4080C040100010${n}`));

test("whatever is sent, the card answers within its bounds, stays readable, and a sealed file stays what it was", () => {
  const sealed = content.slice(sealedFrom, sealedFrom + 64);
  let worked = 0;
  fc.assert(
    fc.property(
      first,
      fc.array(fc.oneof(apdu, fitting), { maxLength: 30, size: "max" }),
      (select, commands) => {
        const silicon = memoryStore(content);
        const card = on(silicon);
        powered(card);
        for (const sent of [select, ...commands]) {
          const before = hex(sent);
          const answer = card.transmit(sent);
          expect(hex(sent)).toBe(before);
          const sw = hex(answer?.slice(-2) ?? new Uint8Array(0));
          if (sw === "9000") worked++;
          expect(sw).toMatch(/^(9000|6[0-9A-F]{3})$/);
          expect(answer?.length ?? 0).toBeLessThanOrEqual(1026);
          // Errors carry no data.
          expect(answer?.length === 2 || /^(9000|62|63)/.test(sw)).toBe(true);
        }
        expect(powered(card)).toMatch(/^3B9C/);
        const after = silicon.load();
        expect(hex(after.slice(sealedFrom, sealedFrom + 64))).toBe(hex(sealed));
        // No file that is left is damaged: every one can be selected.
        expect(hex(card.transmit(unhex("00A4000C023F00")) ?? new Uint8Array(0))).toMatch(/^(9000|6283)$/);
      },
    ),
    { numRuns: 300 },
  );
  expect(worked).toBeGreaterThan(600);
});
