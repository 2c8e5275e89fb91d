import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { openLetters, sealBatch } from "../letter.js";
import { someLine } from "../machine.test.data.js";
import { boxFor, NotOfTheLine } from "../sealed-box.js";
import { pagesOf } from "./letters.test.data.js";

const { publicKey, privateKey } = generateKeyPairSync("x25519");
const line = someLine();
const printer = { own: privateKey, lines: [line.open] };
const digits = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

test("every digit is the one that was drawn, and names keep their letters, in Latin, Greek, Cyrillic and Hebrew", () => {
  const pins = ["0123456789", "9876543210", "0000", "999999999999"];
  const names = ["Łucja Müller-Żółć", "Ελένη Παπαδοπούλου", "Пётр Чайковский", "Ada\u0000\nLovelace"];
  const letters = pins.map((pin, at) => ({
    letter: `L-${String(at)}`,
    addressee: names[at] ?? "",
    digits: digits(pin),
  }));
  const opened = openLetters(
    printer,
    sealBatch(publicKey, line.sign, { batch: "B-1", order: "A-1", letters }),
  );
  expect(opened).toMatchObject({ batch: "B-1", order: "A-1", letters: 4 });
  for (const [at, page] of pagesOf(opened.content).entries()) {
    expect(page).toContain(`\nYour PIN: ${pins[at] ?? ""}\n`);
    expect(page).toContain(`\n${(names[at] ?? "").replaceAll("\u0000\n", " ")}\n`);
  }
  // From right to left: a page is drawn in the order that eyes go.
  const hebrew = [{ letter: "L-1", addressee: "עדה", digits: digits("1234") }];
  const right = openLetters(
    printer,
    sealBatch(publicKey, line.sign, { batch: "B-2", order: "A-1", letters: hebrew }),
  );
  expect(pagesOf(right.content)[0]).toContain("\nהדע\n");
});

test("a name longer than the envelope's window is set smaller, not cut", () => {
  const sizeOf = (addressee: string): number => {
    const letters = [{ letter: "L-1", addressee, digits: digits("1234") }];
    const { content } = openLetters(
      printer,
      sealBatch(publicKey, line.sign, { batch: "B-1", order: "A", letters }),
    );
    const sizes = [
      ...Buffer.from(content)
        .toString("latin1")
        .matchAll(/^BT \/F ([\d.]+) Tf/gm),
    ];
    return Number(sizes[3]?.[1]);
  };
  expect(sizeOf("Ada")).toBe(11);
  const long = sizeOf("Wolfeschlegelsteinhausenbergerdorff ".repeat(3));
  expect(long).toBeGreaterThan(2);
  expect(long).toBeLessThan(5);
});

test("the printer takes what its lines signed, with its order, number and count, and nothing else", () => {
  const letters = [{ letter: "L-1", addressee: "Ada", digits: digits("1234") }];
  const file = sealBatch(publicKey, line.sign, { batch: "B-1", order: "A-1", letters });
  const why = (text: string, lines = [line.open]): unknown => {
    try {
      openLetters({ own: privateKey, lines }, text);
      return "opened";
    } catch (problem) {
      return problem instanceof NotOfTheLine ? problem.why : problem;
    }
  };
  const other = someLine();
  expect([why(file), why(file, [other.open, line.open])]).toEqual(["opened", "opened"]);
  expect([why(file, [other.open]), why(file, [])]).toEqual(["foreign", "foreign"]);
  // Whoever has the printer's public key, which is no secret.
  const forged = sealBatch(publicKey, other.sign, { batch: "B-1", order: "A-1", letters });
  expect(why(forged)).toBe("foreign");
  const parts = JSON.parse(file) as Record<string, unknown>;
  const { signature, ...unsigned } = parts;
  expect(why(JSON.stringify({ ...unsigned, version: 1 }))).toBe("unsigned");
  expect(why(JSON.stringify({ ...(JSON.parse(forged) as object), signature }))).toBe("foreign");
  for (const change of [{ batch: "B-2" }, { order: "A-2" }, { letters: 2 }])
    expect(why(JSON.stringify({ ...parts, ...change }))).toBe("foreign");
  // A letter of its own, as programs of before batches wrote it.
  expect(why(JSON.stringify({ ...parts, format: "persoline-letter" }))).toBe("unsigned");
});

test("a signature for a stripe is none for letters", () => {
  const label = { purpose: "letters B-1", belongs: '["B-1","A-1",1]' };
  const box = boxFor(publicKey, line.sign, { ...label, kind: "stripe" }, digits("1234"));
  const file = { format: "persoline-letters", version: 2, batch: "B-1", order: "A-1", letters: 1, ...box };
  expect(() => openLetters(printer, JSON.stringify(file))).toThrow(NotOfTheLine);
  const own = boxFor(publicKey, line.sign, { ...label, kind: "letters" }, digits("1234"));
  expect(openLetters(printer, JSON.stringify({ ...file, ...own })).letters).toBe(1);
});
