import { readFileSync } from "node:fs";
import { unhex, utf8 } from "@persoline/card/bytes";
import {
  blankTiming,
  type CardProgram,
  completedTiming,
  estimate,
  explain,
  explanationText,
  type Step,
} from "@persoline/card/program";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OrderRecord } from "../orders/types.js";
import { compile, imageProblems } from "./compile.js";
import { cutBlocks } from "./blocks.js";
import { prepare, recordProblems, valuesOf } from "./prepare.js";
import { parseProduct, type Product } from "./product.js";

const root = new URL("../../../../", import.meta.url);
const image = new Uint8Array(readFileSync(new URL("examples/products/os/persoline-os-1.3.img", root)));

function productOf(name: string): Product {
  const text = readFileSync(new URL(`examples/products/${name}/product.yaml`, root), "utf8");
  const read = parseProduct(text, "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return read.product;
}

const office = compile(productOf("office-access"), image);
const record: OrderRecord = {
  number: 7,
  row: 8,
  fields: {
    name: "Žofia O’Brien-Иванова",
    department: "Extrusion",
    premises: ["HQ", "PLANT-2"],
    number: "E-00107",
    validUntil: "2028-12-31",
  },
  photos: {},
};
const prepared = prepare(office, record, { order: "OF-26-1" });

const stepsOf = (program: CardProgram): readonly Step[] => program.segments.flatMap(({ steps }) => steps);
const whys = (program: CardProgram): string[] => stepsOf(program).map(({ why }) => why);
const plainBytes = (step: Step | undefined): Uint8Array | undefined => {
  const [part] = step?.data ?? [];
  return part instanceof Uint8Array ? part : undefined;
};

describe("programs of the office card", () => {
  test("are what they were (golden file; update on purpose only)", async () => {
    const programs = {
      test: [office.test, blankTiming],
      completion: [office.completion, blankTiming],
      initialisation: [office.initialisation, completedTiming],
      personalization: [prepared.personalization, completedTiming],
      proof: [prepared.proof, completedTiming],
      termination: [office.termination, completedTiming],
      terminationInitial: [office.terminationInitial, completedTiming],
    } as const;
    const explained = Object.fromEntries(
      Object.entries(programs).map(([name, [program, timing]]) => [name, explain(program, timing)]),
    );
    await expect(`${JSON.stringify(explained, null, 2)}\n`).toMatchFileSnapshot("golden/office-access.json");
    const text = Object.entries(programs).map(([, [program, timing]]) =>
      explanationText(explain(program, timing)),
    );
    await expect(`${text.join("\n\n\n")}\n`).toMatchFileSnapshot("golden/office-access.txt");
  });

  test("the EEPROM test covers every page but the chip's own with both patterns, in ranges the card accepts", () => {
    const seen = { 1: new Set<number>(), 2: new Set<number>() };
    for (const step of stepsOf(office.test).filter(({ ins }) => ins === 0x18)) {
      const [hi = 0, lo = 0, countHi = 0, countLo = 0] = plainBytes(step) ?? [];
      const count = countHi * 256 + countLo;
      expect(count).toBeLessThanOrEqual(256);
      for (let page = hi * 256 + lo, left = count; left > 0; left--, page++) {
        seen[step.p1 === 1 ? 1 : 2].add(page);
      }
    }
    const pages = Array.from({ length: 507 }, (_, at) => at + 5);
    expect([...seen[1]].toSorted((a, b) => a - b)).toEqual(pages);
    expect([...seen[2]].toSorted((a, b) => a - b)).toEqual(pages);
  });

  test("completion loads the whole image byte for byte, keys before the switch", () => {
    const memory = new Map<number, number>();
    for (const step of stepsOf(office.completion).filter(({ ins }) => ins === 0xd6)) {
      const block = plainBytes(step) ?? new Uint8Array(0);
      expect(block.length).toBeLessThanOrEqual(192);
      block.forEach((byte, at) => memory.set(step.p1 * 256 + step.p2 + at, byte));
    }
    expect([...memory.values()]).toEqual([...image]);
    expect(Math.min(...memory.keys())).toBe(0x280);
    expect(
      stepsOf(office.completion)
        .map(({ ins }) => ins)
        .slice(-2),
    ).toEqual([0xd8, 0x44]);
  });

  test("the issuer's keys are personalization's last act", () => {
    const last = stepsOf(prepared.personalization).at(-1);
    expect(last).toMatchObject({ ins: 0xd8, p1: 0x01, p2: 0x81, again: "probe" });
  });

  test("leaves are activated before their DF, the DF before the MF, and after everything was written", () => {
    const order = whys(prepared.personalization);
    const at = (text: string): number => order.findIndex((why) => why.includes(text));
    expect(at("activate DF")).toBeGreaterThan(at("activate EF credential"));
    expect(at("activate MF")).toBeGreaterThan(at("activate DF"));
    expect(at("activate EF")).toBeGreaterThan(order.findLastIndex((why) => why.startsWith("write")));
  });

  test("what nobody may read is proved, what everybody may read is compared", () => {
    const proofs = stepsOf(prepared.proof);
    expect(
      proofs.filter(({ ins }) => ins === 0x5c).map(({ judge }) => judge?.proof === "file" && judge.fid),
    ).toEqual([0x0102, 0x0103]);
    expect(whys(prepared.proof).filter((why) => why.startsWith("read"))).toHaveLength(2);
    expect(proofs.find(({ ins }) => ins === 0x20)?.sw).toEqual([{ value: 0x63c3, mask: 0xffff }]);
  });

  test("the holder's file is BER-TLV of the record, in the order of tags", () => {
    const step = stepsOf(prepared.personalization).find(({ ins, p1 }) => ins === 0xd6 && p1 === 0x81);
    const name = utf8("Žofia O’Brien-Иванова");
    const bytes = [0x5f, 0x20, name.length]
      .concat([...name], [0x5f, 0x24, 3, 0x28, 0x12, 0x31])
      .concat([0xdf, 0x01, 9], [...utf8("Extrusion")], [0xdf, 0x02, 7], [...utf8("E-00107")]);
    expect([...(plainBytes(step) ?? [])]).toEqual(bytes);
  });

  test("premises become EF records filled with FF, and their proof covers the unwritten ones", () => {
    const written = stepsOf(prepared.personalization).filter(({ ins }) => ins === 0xdc);
    expect(written.map(({ p1, p2 }) => [p1, p2])).toEqual([
      [1, 0x14],
      [2, 0x14],
    ]);
    expect(plainBytes(written[1])).toEqual(
      Uint8Array.from([...utf8("PLANT-2"), ...Array.from({ length: 9 }, () => 0xff)]),
    );
    const judge = stepsOf(prepared.proof).find((step) => step.judge?.proof === "file")?.judge;
    expect(judge?.proof === "file" ? judge.content.length : 0).toBe(16 * 17);
  });

  test("a longer file is written in blocks that a command can hold, without gaps", () => {
    const product = productOf("office-access");
    const [df] = product.dfs;
    if (df === undefined) throw new Error("no DF");
    const big = {
      ...product,
      dfs: [{ ...df, files: df.files.map((ef) => (ef.name === "holder" ? { ...ef, size: 2048 } : ef)) }],
    };
    const compiled = compile(big, image);
    const long = { ...record, fields: { ...record.fields, name: "x".repeat(1500) } };
    const steps = stepsOf(prepare(compiled, long, { order: "A" }).personalization).filter(
      ({ ins, why }) => ins === 0xd6 && why.includes("holder"),
    );
    expect(steps.length).toBeGreaterThan(6);
    let next = 0;
    for (const step of steps) {
      expect(step.p1 >= 0x80 ? step.p2 : step.p1 * 256 + step.p2).toBe(next);
      next += plainBytes(step)?.length ?? 0;
      expect(plainBytes(step)?.length).toBeLessThanOrEqual(239);
    }
  });

  test("no program holds a secret, only names", () => {
    const named = [...stepsOf(prepared.personalization), ...stepsOf(office.completion)].flatMap(({ data }) =>
      data.filter((part) => !(part instanceof Uint8Array)),
    );
    expect(named.map((part) => (part instanceof Uint8Array ? "" : part.secret)).toSorted()).toEqual([
      "key",
      "key",
      "key-set",
      "key-set",
      "pin",
    ]);
  });

  test("the same input gives the same programs", () => {
    const again = prepare(compile(productOf("office-access"), image), record, { order: "OF-26-1" });
    expect(again).toEqual(prepared);
  });

  test("every step of a secure segment that changes the card may begin its session again or can be asked about", () => {
    const programs = [office.completion, office.initialisation, prepared.personalization, office.termination];
    for (const { segments } of programs) {
      for (const segment of segments) {
        const open = segment.steps.filter(
          ({ again, probe }) => again === "never" || (again === "probe" && probe === undefined),
        );
        expect(open.length === 0 || segment.done !== undefined).toBe(true);
      }
    }
  });
});

describe("records that do not fit", () => {
  test.each<[string, Record<string, string | string[]>, RegExp, string]>([
    [
      "a name longer than the file",
      { name: "Щ".repeat(140) },
      /needs 3\d\d bytes, EF holder has 256/,
      "Full name, Department, Employee number, Valid until",
    ],
    [
      "too many premises",
      { premises: Array.from({ length: 17 }, () => "HQ") },
      /17 entries, EF premises has 16/,
      "Premises",
    ],
    [
      "a premise too long",
      { premises: ["HQ".repeat(9)] },
      /18 bytes, records of EF premises have 16/,
      "Premises",
    ],
    [
      "a date that is none",
      { validUntil: "31.12.2028" },
      /not an ISO 8601 date/,
      "Full name, Department, Employee number, Valid until",
    ],
  ])("%s is told by row and column, without the value", (_, fields, message, column) => {
    const wrong = { ...record, fields: { ...record.fields, ...fields } };
    const [problem] = recordProblems(office, wrong, { order: "A", file: "people.csv" });
    expect(problem).toMatchObject({ file: "people.csv", row: 8, column, code: "does-not-fit" });
    expect(problem?.message).toMatch(message);
    expect(JSON.stringify(problem)).not.toMatch(/Щ|31\.12/);
    expect(() => prepare(office, wrong, { order: "A" })).toThrow(message);
  });

  test("an empty field leaves its object out; the card number is made of order and record", () => {
    const { department: _, ...fields } = record.fields;
    const step = stepsOf(prepare(office, { ...record, fields }, { order: "A" }).personalization).find(
      ({ ins }) => ins === 0xd6,
    );
    expect([...(plainBytes(step) ?? [])].join()).not.toContain("223,1,");
    expect(valuesOf(office, record, "OF-26-1")["cardNumber"]).toBe("OF-26-1-0007");
  });
});

describe("the completion image", () => {
  const told = (bytes: Uint8Array, product = productOf("office-access")): string[] =>
    imageProblems(product, bytes, (path, code, message, remedy) => ({
      file: "p",
      line: 1,
      column: 1,
      path: path.join("."),
      code,
      message,
      remedy,
    })).map(({ message }) => message);
  const changed = (at: number, value: number): Uint8Array =>
    image.map((byte, i) => (i === at ? value : byte));

  test.each<[string, Uint8Array, RegExp]>([
    ["is no image", unhex("00112233"), /does not begin with PSLI/],
    ["is cut off", image.subarray(0, -1), /header announces/],
    ["is damaged", changed(30, 0x77), /checksum is wrong/],
    ["is for another ROM", changed(6, 9), /made for ROM 9\.0/],
    [
      "brings another version than the ATR says",
      changed(5, 9),
      /brings version 1\.9, the completed ATR says 1\.3/,
    ],
    ["lies elsewhere", changed(8, 0x30), /does not lie within/],
  ])("%s: told", (_, bytes, message) => {
    expect(told(bytes)[0]).toMatch(message);
    expect(() => compile(productOf("office-access"), bytes)).toThrow(RangeError);
  });

  test("the right one is fine", () => {
    expect(told(image)).toEqual([]);
  });
});

describe("blocks", () => {
  test("cover the stretch without gaps and never cost more than cutting greedily", () => {
    const cost = ({ offset, length }: { offset: number; length: number }): number =>
      1 + 3.5 * (Math.floor((offset + length - 1) / 64) - Math.floor(offset / 64) + 1);
    fc.assert(
      fc.property(
        fc.nat(500),
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 64, max: 247 }),
        (offset, length, most) => {
          const blocks = cutBlocks({ offset, length, most, cost });
          let at = offset;
          for (const block of blocks) {
            expect(block.offset).toBe(at);
            expect(block.length).toBeLessThanOrEqual(most);
            at += block.length;
          }
          expect(at).toBe(offset + length);
          let greedy = 0;
          for (let from = offset; from < offset + length; from += most) {
            greedy += cost({ offset: from, length: Math.min(most, offset + length - from) });
          }
          expect(blocks.reduce((sum, block) => sum + cost(block), 0)).toBeLessThanOrEqual(greedy);
        },
      ),
    );
  });

  test("whole pages are cheaper than torn ones, one command cheaper than two", () => {
    const cost = ({ offset, length }: { offset: number; length: number }): number =>
      1 + 3.5 * (Math.floor((offset + length - 1) / 64) - Math.floor(offset / 64) + 1);
    expect(cutBlocks({ offset: 0, length: 256, most: 239, cost }).map(({ length }) => length)).toEqual([
      192, 64,
    ]);
    expect(cutBlocks({ offset: 0, length: 200, most: 239, cost }).map(({ length }) => length)).toEqual([200]);
  });
});

test("estimates are sums of what their parts say", () => {
  const whole = estimate(prepared.personalization, completedTiming);
  expect(whole.ms).toBeCloseTo(whole.wireMs + whole.writeMs + whole.cryptoMs + whole.workMs, 9);
  // The session's two counters, 1 + 2 + 1 pages of files, 3 secrets, 6 activations, card state, key set.
  expect(whole.pages).toBeGreaterThan(14);
});
