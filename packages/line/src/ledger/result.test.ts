import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openResult, readResult, resultLines, ResultProblem, type ResultRow } from "./result.js";

const head = {
  order: "A-1",
  customer: "Tab\there \\ and\nnew line",
  product: "office-access",
  written: "2026-03-01T10:00:00.000Z",
};
const rows: ResultRow[] = [
  {
    record: 1,
    reference: "E1",
    status: "good",
    serial: "0A01",
    keyVersion: 48,
    letters: ["L-0000001"],
    cancelled: [],
  },
  {
    record: 2,
    reference: "=E2",
    status: "good",
    serial: "0A02",
    keyVersion: 48,
    letters: [],
    cancelled: [
      { serial: "0A03", reason: "wrong-answer" },
      { serial: "0A04", reason: "picture-wrong" },
    ],
  },
  {
    record: 5,
    reference: "Жук",
    status: "missing",
    letters: [],
    cancelled: [{ serial: "0A05", reason: "mute" }],
  },
];

async function file(of: readonly ResultRow[] = rows): Promise<string> {
  let text = "";
  for await (const line of resultLines(head, of)) text += line;
  return text;
}

test("what is written can be read", async () => {
  expect(readResult(await file())).toEqual({
    head,
    rows,
    totals: { records: 3, good: 2, held: 0, givenUp: 0, missing: 1, cancelled: 3 },
  });
});

test("any references survive", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom(...Array.from("\\\t\n\rtnr aé:Жук🙂")), maxLength: 10 }), {
        maxLength: 8,
      }),
      async (references) => {
        const some = references.map((reference, index) => ({
          record: index + 1,
          reference,
          status: "missing" as const,
          letters: [],
          cancelled: [],
        }));
        expect(readResult(await file(some)).rows).toEqual(some);
      },
    ),
  );
});

test("rows out of input order are not written", async () => {
  await expect(file([...rows].reverse())).rejects.toThrow(/input order is lost/);
});

describe("a damaged file is refused, naming the line", () => {
  const cases: [what: string, damage: (text: string) => string, line: number][] = [
    ["cut in the middle", (t) => t.slice(0, -20), 10],
    ["the totals cut off", (t) => t.slice(0, t.lastIndexOf("total")), 9],
    ["a line deleted", (t) => t.replace(/^1\t.*\n/m, ""), 9],
    ["a line doubled", (t) => t.replace(/^(1\t.*\n)/m, "$1$1"), 8],
    ["a serial twice", (t) => t.replace("0A02", "0A01"), 8],
    ["a total edited", (t) => t.replace("good=2", "good=3"), 10],
    ["a status edited", (t) => t.replace("\tmissing\t", "\tgood\t"), 9],
    ["a field added", (t) => t.replace(/^1\t/m, "1\t\t"), 7],
    ["another version", (t) => t.replace("result\t1", "result\t2"), 1],
    ["no columns", (t) => t.replace("key-version", "version"), 6],
    ["an unknown escape", (t) => t.replace("E1", "E\\1"), 7],
    ["a line after the totals", (t) => `${t}6\tE6\tmissing\t\t\t\t\n`, 10],
  ];
  test.each(cases)("%s", async (_what, damage, line) => {
    const text = damage(await file());
    const problem = await Promise.resolve()
      .then(() => readResult(text))
      .catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(ResultProblem);
    expect(problem).toMatchObject({ line });
  });
});

test("nothing is read before the signature is right", async () => {
  const no = (): Promise<boolean> => Promise.resolve(false);
  await expect(openResult(new Uint8Array([0xff]), new Uint8Array(64), no)).rejects.toThrow(
    /signature does not match/,
  );
});
