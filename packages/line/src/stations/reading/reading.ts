/**
 * What a card says that did not pass. It is read after the verdict and takes no part in it: nothing in `stations/quality` knows of it.
 * What is read is personal: it belongs into a sealed picture, or before the eyes of the person who asked for it, and nowhere else.
 */
import sharp from "sharp";
import { engraved, type PlacedField } from "../../plan/placed.js";
import type { Face } from "../../plan/types.js";
import type { ExpectedGround, FaceVerdict, FaultOfFace, Grey } from "../quality/index.js";
import type { TextReader } from "./engine.js";

export type FieldReading = {
  /** Name of the layout's field. */
  readonly field: string;
} & (
  | {
      readonly reads: string;
      /** 0 to 100, of the word that is least sure. */
      readonly confidence: number;
    }
  | {
      /**
       * `script`: it should show letters that are not Latin. `typeface`: it is a line in OCR-B, whose fillers the reader takes for letters.
       * `unclear`: there is nothing, or nothing that could be told with confidence.
       */
      readonly unread: "script" | "typeface" | "unclear";
    }
);

/** Of readings a little below this confidence a fifth is wrong (docs/quality.md): they are not told. */
const leastConfidence = 80;

const dpi = 300;
const perMm = dpi / 25.4;
/** Letters are read best when they are some 30 to 60 dots high. */
const enlarged = 2;
/** What is read around a field's box, mm: marks on letters, and a little displacement, but not the neighbours. */
const around = { x: 0.6, y: 0.4 } as const;
/** Darker print than this is not divided out further: on it nothing but noise would come up. */
const darkestGround = 0.25;

/** The layout's fields say nothing about such a picture: there is no card, or its other side. */
const elsewhere: readonly FaultOfFace[] = ["card-not-found", "wrong-side", "no-picture", "frozen-picture"];
/** It may be another person's card, or another card altogether. */
const ofAnother: readonly FaultOfFace[] = [
  "upside-down",
  "mirrored",
  "wrong-stock",
  "wrong-photo",
  "wrong-code",
];

/** A text itself is wrong. A finding of the whole side may bear a field's name: a layout may call one "card". */
const ofText: readonly FaultOfFace[] = ["missing", "wrong-glyph", "extra-ink", "displaced", "faint", "burnt"];

const isText = ({ kind, layer }: PlacedField): boolean =>
  (kind === "text" || kind === "ocr" || kind === "mrz") && (engraved.includes(layer) || layer === "colour");

/** Texts with a finding; all texts of the side where another card is suspected, by a finding that says so or by two texts with findings. */
export function fieldsToRead({ fields }: Face, { findings }: FaceVerdict): readonly PlacedField[] {
  if (findings.some(({ what }) => elsewhere.includes(what))) return [];
  const texts = fields.filter(isText);
  const wrong = texts.filter(({ name }) =>
    findings.some(({ field, what }) => field === name && ofText.includes(what)),
  );
  const another = wrong.length > 1 || findings.some(({ what }) => ofAnother.includes(what));
  return another ? texts : wrong;
}

const notLatin = /[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u;

/** The straightened card as it should lie, with what is printed under the marks divided out where its place is known. */
async function upright(straight: Grey, verdict: FaceVerdict, ground?: ExpectedGround): Promise<Grey> {
  const { width, height, grey } = straight;
  const lies = (how: FaultOfFace): boolean => verdict.findings.some(({ what }) => what === how);
  const turned = lies("upside-down");
  if (!turned && !lies("mirrored")) {
    if (ground === undefined) return straight;
    const even = grey.map((value, at) =>
      Math.min(255, Math.round(value / Math.max(darkestGround, (ground.grey[at] ?? 255) / 255))),
    );
    return { width, height, grey: even };
  }
  const raw = sharp(grey, { raw: { width, height, channels: 1 } });
  const laid = await (turned ? raw.rotate(180) : raw.flop()).extractChannel(0).raw().toBuffer();
  return { width, height, grey: new Uint8Array(laid) };
}

/** One field's part of the card as a PNG, enlarged, where the field was found. */
function cutOut({ width, height, grey }: Grey, box: PlacedField["box"]): Promise<Buffer> {
  const left = Math.min(width - 2, Math.max(0, Math.round((box.x - around.x) * perMm)));
  const top = Math.min(height - 2, Math.max(0, Math.round((box.y - around.y) * perMm)));
  const wide = Math.min(width - left, Math.round((box.width + 2 * around.x) * perMm));
  const high = Math.min(height - top, Math.round((box.height + 2 * around.y) * perMm));
  return sharp(grey, { raw: { width, height, channels: 1 } })
    .extract({ left, top, width: wide, height: high })
    .resize({ width: wide * enlarged, kernel: "cubic" })
    .normalise()
    .extend({ top: 20, bottom: 20, left: 20, right: 20, extendWith: "copy" })
    .png()
    .toBuffer();
}

/** `straight`: the straightened card at 300 dpi; `ground`: what is printed on all such cards, of the same size. Throws when the engine fails. */
export async function readSide(
  reader: TextReader,
  face: Face,
  straight: Grey,
  verdict: FaceVerdict,
  ground?: ExpectedGround,
): Promise<readonly FieldReading[]> {
  const fields = fieldsToRead(face, verdict);
  const card = await upright(straight, verdict, ground);
  const readings: FieldReading[] = [];
  for (const { name: field, kind, box, text = "" } of fields) {
    if (kind !== "text" || notLatin.test(text)) {
      readings.push({ field, unread: kind === "text" ? "script" : "typeface" });
      continue;
    }
    const { dx = 0, dy = 0 } = verdict.measures.find((one) => one.field === field) ?? {};
    const picture = await cutOut(card, { ...box, x: box.x + dx, y: box.y + dy });
    const { text: reads, confidence } = await reader.read(picture, {
      lines: text.split("\n").length,
      dpi: dpi * enlarged,
    });
    const clear = reads !== "" && confidence >= leastConfidence;
    readings.push(
      clear ? { field, reads, confidence: Math.round(confidence) } : { field, unread: "unclear" },
    );
  }
  return readings;
}

const because = {
  script: "its letters are not Latin",
  typeface: "it is in OCR-B",
  unclear: "nothing clear",
} as const;

/** For people: one line a field. */
export function readingText(reading: FieldReading): string {
  if (!("reads" in reading)) return `${reading.field}: not read, ${because[reading.unread]}`;
  return `${reading.field} says “${reading.reads.replaceAll(/\s+/g, " ")}” (${String(reading.confidence)} % sure)`;
}
