import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { openLetters, sealBatch } from "../letter.js";
import { boxFor } from "../sealed-box.js";
import { pagesOf } from "./letters.test.data.js";

const { publicKey, privateKey } = generateKeyPairSync("x25519");
const digits = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

test("every digit is the one that was drawn, and names keep their letters, in Latin, Greek, Cyrillic and Hebrew", () => {
  const pins = ["0123456789", "9876543210", "0000", "999999999999"];
  const names = ["Łucja Müller-Żółć", "Ελένη Παπαδοπούλου", "Пётр Чайковский", "Ada\u0000\nLovelace"];
  const letters = pins.map((pin, at) => ({
    letter: `L-${String(at)}`,
    addressee: names[at] ?? "",
    digits: digits(pin),
  }));
  const opened = openLetters(privateKey, sealBatch(publicKey, { batch: "B-1", order: "A-1", letters }));
  expect(opened).toMatchObject({ type: "application/pdf", name: "B-1", letters: 4 });
  for (const [at, page] of pagesOf(opened.content).entries()) {
    expect(page).toContain(`\nYour PIN: ${pins[at] ?? ""}\n`);
    expect(page).toContain(`\n${(names[at] ?? "").replaceAll("\u0000\n", " ")}\n`);
  }
  // From right to left: a page is drawn in the order that eyes go.
  const hebrew = [{ letter: "L-1", addressee: "עדה", digits: digits("1234") }];
  const right = openLetters(
    privateKey,
    sealBatch(publicKey, { batch: "B-2", order: "A-1", letters: hebrew }),
  );
  expect(pagesOf(right.content)[0]).toContain("\nהדע\n");
});

test("a name longer than the envelope's window is set smaller, not cut", () => {
  const sizeOf = (addressee: string): number => {
    const letters = [{ letter: "L-1", addressee, digits: digits("1234") }];
    const { content } = openLetters(privateKey, sealBatch(publicKey, { batch: "B-1", order: "A", letters }));
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

test("a letter that a former version wrote alone still opens, and only under its own number", () => {
  const text = "Letter L-0000001\nOrder A-1\n\nAda\n\nYour PIN: 1234\n";
  const label = { purpose: "letter L-0000001", belongs: "L-0000001" };
  const box = boxFor(publicKey, label, digits(text));
  const file = JSON.stringify({ format: "persoline-letter", version: 1, letter: "L-0000001", ...box });
  const { content, ...opened } = openLetters(privateKey, file);
  expect(opened).toEqual({ type: "text/plain", name: "L-0000001", letters: 1 });
  expect(Buffer.from(content).toString()).toBe(text);
  expect(() => openLetters(privateKey, file.replace('"L-0000001"', '"L-0000002"'))).toThrow("authenticate");
});
