import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Capture, captureOf } from "../quality/captures.test.data.js";
import { decodePicture, type FaceFinding, type FaceVerdict, greyOf, inspectFace } from "../quality/index.js";
import { openTextReader, type TextReader } from "./engine.js";
import { type FieldReading, fieldsToRead, readingText, readSide } from "./reading.js";

// A capture is drawn, photographed and judged in about a second, and read in another; a busy machine takes longer.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let reader: TextReader;
beforeAll(async () => {
  reader = await openTextReader();
});
afterAll(() => reader.close());

async function readAll({ card, jpeg, options }: Capture): Promise<Map<string, FieldReading>> {
  const { face, raster } = card;
  const picture = { ...(await decodePicture(jpeg)), side: face.side, frame: 1, takenAt: 0 };
  const { verdict, straight } = await inspectFace(picture, face, raster, options);
  expect(verdict.verdict).toBe("reject");
  if (straight === undefined) throw new Error("no card");
  const readings = await readSide(reader, face, greyOf(straight), verdict, options.ground);
  return new Map(readings.map((one) => [one.field, one]));
}

const textOf = ({ card }: Pick<Capture, "card">, field: string): string | undefined =>
  card.face.fields.find(({ name }) => name === field)?.text;
const reads = (reading: FieldReading | undefined): string | undefined =>
  reading !== undefined && "reads" in reading ? reading.reads : undefined;

describe("a simulated capture that was rejected", () => {
  test("another person's card says whose it is, field by field", async () => {
    const capture = await captureOf("another-card", "middle", 0, "training");
    const said = await readAll(capture);
    const other = capture.other;
    if (other === undefined) throw new Error("there is no other card");
    for (const field of ["name", "number"]) {
      expect(reads(said.get(field))).toBe(textOf({ card: other }, field));
      expect(reads(said.get(field))).not.toBe(textOf(capture, field));
    }
    // Labels that all cards share are read too, for it may be any card.
    expect(reads(said.get("number-label"))).toBe(textOf(capture, "number-label"));
  });

  test("a text of another person is told as that person's, and no field that is right is read", async () => {
    const told: string[] = [];
    for (const number of [4, 8]) {
      const capture = await captureOf("wrong-text", "middle", number, "training");
      const said = [...(await readAll(capture)).values()];
      expect(said).toHaveLength(1);
      for (const reading of said) {
        const text = reads(reading);
        expect(text).not.toBe(textOf(capture, reading.field));
        const { other = capture.card } = capture;
        if (text !== undefined && text === textOf({ card: other }, reading.field)) told.push(text);
      }
    }
    expect(told.length).toBeGreaterThan(0);
  });

  test("one wrong character changes what its field says, or is left unread, but is never told as it should be", async () => {
    let told = 0;
    for (const number of [0, 2]) {
      const capture = await captureOf("wrong-character", "middle", number, "training");
      for (const [field, reading] of await readAll(capture)) {
        const text = reads(reading);
        expect(text).not.toBe(textOf(capture, field));
        if (text !== undefined) told++;
      }
    }
    expect(told).toBeGreaterThan(0);
  });

  test("a print that lies upside down is turned to be read", async () => {
    const capture = await captureOf("upside-down", "middle", 6, "training");
    const said = await readAll(capture);
    for (const field of ["name", "number", "company"])
      expect(reads(said.get(field))).toBe(textOf(capture, field));
  });
});

describe("what is not read", () => {
  test("Cyrillic letters and OCR-B are said not to be read, and why", async () => {
    const capture = await captureOf("another-card", "middle", 1, "training");
    const face = capture.card.face;
    const texts = face.fields.map((field) =>
      field.name === "property" ? { ...field, text: "Собственность" } : field,
    );
    const said = await readAll({ ...capture, card: { ...capture.card, face: { ...face, fields: texts } } });
    expect(said.get("property")).toEqual({ field: "property", unread: "script" });
    expect(said.get("ocr")).toEqual({ field: "ocr", unread: "typeface" });
    expect([...said.values()].map(readingText)).toEqual(
      expect.arrayContaining([
        "property: not read, its letters are not Latin",
        "ocr: not read, it is in OCR-B",
      ]),
    );
  });

  test("an empty place says nothing, rather than something", async () => {
    const capture = await captureOf("missing-line", "middle", 0, "training");
    const said = [...(await readAll(capture)).values()];
    expect(said.length).toBeGreaterThan(0);
    for (const reading of said) expect(reading).toMatchObject({ unread: "unclear" });
  });
});

describe("which fields are read", () => {
  const finding = (field: string, what: FaceFinding["what"]): FaceFinding => ({
    field,
    what,
    measured: 1,
    limit: 0,
    unit: "share",
    box: { x: 0, y: 0, width: 1, height: 1 },
    weight: "reject",
  });
  const by = (...findings: readonly FaceFinding[]): FaceVerdict => ({
    verdict: findings.length === 0 ? "pass" : "reject",
    findings,
    measures: [],
  });
  const names = async (verdict: FaceVerdict): Promise<readonly string[]> => {
    const { card } = await captureOf("good", "mild", 0);
    return fieldsToRead(card.face, verdict).map(({ name }) => name);
  };

  test("those with a finding; all where another card is suspected; none where the layout says nothing of the picture", async () => {
    expect(await names(by())).toEqual([]);
    expect(await names(by(finding("name", "faint")))).toEqual(["name"]);
    expect(await names(by(finding("name", "scratch")))).toEqual([]);
    const all = await names(by(finding("photo", "wrong-photo")));
    expect(all).toEqual(expect.arrayContaining(["name", "number", "department", "company"]));
    expect(all).not.toContain("photo");
    expect(await names(by(finding("name", "displaced"), finding("number", "displaced")))).toEqual(all);
    expect(await names(by(finding("card", "wrong-side"), finding("photo", "wrong-photo")))).toEqual([]);
  });
});
