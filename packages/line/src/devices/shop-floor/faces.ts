import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export type Side = "front" | "back";

/** The marks on one side of a body. */
export interface Plastic {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  /** One bit a dot, rows padded to bytes, 1 = marked. */
  readonly bits: Uint8Array;
  /** How dark the marks came out, 0..1; 1 = as they should. */
  readonly power: number;
}

/** A line of raised or pressed-in characters as the wheel hit it; mm as in the marker's port. */
export interface RaisedLine {
  readonly text: string;
  readonly font: "7B" | "4B" | "rear";
  readonly x: number;
  readonly yFromBottom: number;
  readonly pitch: number;
  /** Light that comes back from the foil on its crests, as a share of a bare body's; absent where the card was not topped. */
  readonly foil?: number;
}

/**
 * The visible part of a body: files in the body's own folder, written while the beam moves, without fsync and without renaming, as
 * plastic would have it. A kill leaves the card half drawn, and the file `front.under-way` or `back.under-way` with it.
 *
 * `front.pbm`, `back.pbm`: plain bitmaps (PBM P4, 1 = marked) that any picture viewer opens; resolution and darkness stand in their
 * comment line. `emboss.json`: the raised lines; `indent.json`: those pressed in.
 */
const faceFile = (body: string, side: Side): string => join(body, `${side}.pbm`);
/** There as long as a side is being marked, and after a kill in the middle of it. */
export const underWayFile = (body: string, side: Side): string => join(body, `${side}.under-way`);
/** Raised, or pressed in. */
export type Struck = "emboss" | "indent";
const struckFile = (body: string, how: Struck): string => join(body, `${how}.json`);

const head = (plastic: Omit<Plastic, "bits">): string =>
  `P4\n# dpi ${String(plastic.dpi)} power ${plastic.power.toFixed(3)}\n${String(plastic.width)} ${String(plastic.height)}\n`;

/** The marks on a side; undefined when it is still blank. Rows that the beam has not reached yet are blank. */
export function readFace(body: string, side: Side): Plastic | undefined {
  if (!existsSync(faceFile(body, side))) return undefined;
  const bytes = readFileSync(faceFile(body, side));
  const found = /^P4\n# dpi (\d+) power ([\d.]+)\n(\d+) (\d+)\n/.exec(
    bytes.subarray(0, 80).toString("latin1"),
  );
  // The kill came before the first row.
  if (found === null) return undefined;
  const [whole, dpi, power, width, height] = found;
  const [columns, rows] = [Number(width), Number(height)];
  const bits = new Uint8Array(Math.ceil(columns / 8) * rows);
  bits.set(bytes.subarray(whole.length, whole.length + bits.length));
  return { dpi: Number(dpi), width: columns, height: rows, bits, power: Number(power) };
}

/** Marks of a dot, by its place in another resolution. */
function resample(from: Plastic, to: Omit<Plastic, "bits">): Uint8Array {
  const stride = Math.ceil(to.width / 8);
  const bits = new Uint8Array(stride * to.height);
  const fromStride = Math.ceil(from.width / 8);
  for (let y = 0; y < to.height; y++) {
    const row = Math.min(from.height - 1, Math.floor(((y + 0.5) * from.height) / to.height));
    for (let x = 0; x < to.width; x++) {
      const column = Math.min(from.width - 1, Math.floor(((x + 0.5) * from.width) / to.width));
      if (((from.bits[row * fromStride + (column >> 3)] ?? 0) & (0x80 >> (column & 7))) !== 0) {
        const at = y * stride + (x >> 3);
        bits[at] = (bits[at] ?? 0) | (0x80 >> (x & 7));
      }
    }
  }
  return bits;
}

/** What a strip costs: waits before the next one (the beam moves at the world's clock). */
type Pause = (strip: number, strips: number) => Promise<void>;

/**
 * Burns a side from top to bottom in strips; what was there stays (a second mark lies over the first). The under-way file is there
 * from before the first dot until after the last.
 */
export async function drawFace(
  body: string,
  side: Side,
  plastic: Plastic,
  pause: Pause,
  strips = 8,
): Promise<void> {
  mkdirSync(body, { recursive: true });
  const before = readFace(body, side);
  writeFileSync(underWayFile(body, side), "");
  const stride = Math.ceil(plastic.width / 8);
  const bits = before === undefined ? new Uint8Array(stride * plastic.height) : resample(before, plastic);
  const start = Buffer.from(
    head({ ...plastic, power: Math.max(plastic.power, before?.power ?? 0) }),
    "latin1",
  );
  const file = openSync(faceFile(body, side), "w");
  try {
    writeSync(file, start, 0, start.length, 0);
    if (before !== undefined) writeSync(file, bits, 0, bits.length, start.length);
    for (let strip = 0; strip < strips; strip++) {
      const from = stride * Math.floor((plastic.height * strip) / strips);
      const to = stride * Math.floor((plastic.height * (strip + 1)) / strips);
      for (let i = from; i < to; i++) bits[i] = (bits[i] ?? 0) | (plastic.bits[i] ?? 0);
      writeSync(file, bits, from, to - from, start.length + from);
      await pause(strip, strips);
    }
  } finally {
    closeSync(file);
  }
  rmSync(underWayFile(body, side));
}

/** Sides whose marking began and did not end: nobody knows what is on them. */
export const markUnderWay = (body: string): readonly Side[] =>
  (["front", "back"] as const).filter((side) => existsSync(underWayFile(body, side)));

export function readEmboss(body: string, how: Struck = "emboss"): readonly RaisedLine[] {
  const file = struckFile(body, how);
  if (!existsSync(file)) return [];
  return JSON.parse(readFileSync(file, "utf8")) as RaisedLine[];
}

/** Strikes line after line; lines that were there stay. A kill leaves the first ones. */
export async function raiseLines(
  body: string,
  side: Side,
  lines: readonly RaisedLine[],
  pause: Pause,
  how: Struck = "emboss",
): Promise<void> {
  mkdirSync(body, { recursive: true });
  writeFileSync(underWayFile(body, side), "");
  const file = struckFile(body, how);
  const raised = [...readEmboss(body, how)];
  for (const [i, line] of lines.entries()) {
    await pause(i, lines.length);
    raised.push(line);
    writeFileSync(`${file}.new`, JSON.stringify(raised, undefined, 1));
    renameSync(`${file}.new`, file);
  }
  rmSync(underWayFile(body, side));
}
