/** Every character of the wheels against those most like it, as a lens sees what the simulators' own shapes make of them in a side light. */
import { type WheelFont, wheels } from "@persoline/card/id1";
import { describe, expect, test, vi } from "vitest";
import type { RaisedLine } from "../../devices/shop-floor/faces.js";
import { chance } from "../../devices/shop-floor/random.js";
import { lightRelief } from "../../devices/shop-floor/relief.js";
import type { EmbossLine } from "../../plan/types.js";
import { atDesk } from "./desk.js";
import { simulatedLimits } from "./limits.js";
import { type Box, windowOf } from "./match.js";
import { boxBlur, halve, plane } from "./plane.js";
import { judgeRelief, type JudgedRelief } from "./relief.js";
import { stampOf } from "./stamp.js";

// Some twenty cards are drawn and judged, each in a third of a second; a busy machine takes longer.
vi.setConfig({ testTimeout: 240_000 });

const body = 214;

interface Seen {
  readonly expected: readonly EmbossLine[];
  readonly struck?: readonly RaisedLine[];
  readonly seed: string;
  /** Black bars that were marked before the wheels struck. */
  readonly marks?: readonly Box[];
}

/** As many numbers as a run of dots that no other is like. */
const noise = ((luck) => Float32Array.from({ length: 8191 }, () => 0.012 * luck.normal()))(chance("noise"));

/** Light, foil and the sensor's noise differ from seed to seed. */
function judged({ expected, struck = expected, seed, marks = [] }: Seen): Promise<JudgedRelief> {
  return atDesk((desk) => {
    const { width, height } = desk.seen;
    const luck = chance(seed);
    const angle = luck.between(Math.PI, 1.5 * Math.PI);
    const light = { x: Math.cos(angle), y: Math.sin(angle), strength: luck.between(0.28, 0.42) };
    const foil = luck.next() < 0.5 ? {} : { foil: luck.between(0.25, 0.9) };
    const picture = { width, height, grey: new Uint8Array(width * height).fill(body) };
    const ink = plane(width, height);
    for (const { left, top, right, bottom } of marks.map((box) => windowOf(box, 0, ink)))
      for (let y = top; y < bottom; y++) {
        ink.data.fill(1, y * width + left, y * width + right);
        picture.grey.fill(0.2 * body, y * width + left, y * width + right);
      }
    const lines = struck.map((line) => ({ ...line, ...foil }));
    lightRelief(picture, "front", lines, light, body);
    const seen = plane(width, height);
    for (let at = 0; at < seen.data.length; at++) seen.data[at] = 1 - (picture.grey[at] ?? 0) / body;
    boxBlur(seen, 1, seen);
    const from = Math.floor(luck.next() * noise.length);
    for (let at = 0; at < seen.data.length; at++)
      seen.data[at] = (seen.data[at] ?? 0) + (noise[(at + from) % noise.length] ?? 0);
    boxBlur(ink, 1, ink);
    const expectedHalf = halve(ink);
    const sight = {
      seen,
      seenHalf: halve(seen),
      expected: ink,
      expectedHalf,
      near: boxBlur(expectedHalf, 2),
      shift: { dx: 0, dy: 0 },
      limits: simulatedLimits,
      desk,
    };
    return Promise.resolve(judgeRelief(sight, "front", { lines: expected, must: true }));
  });
}

const rows: readonly (readonly [EmbossLine["font"], number, number, number])[] = [
  ["7B", 10.2, 21.42, 19],
  ["4B", 7.65, 14.4, 27],
  ["4B", 8.4, 10.7, 27],
  ["4B", 7.65, 7.1, 27],
  ["4B", 7.9, 3.4, 27],
];

const rowOf = ([font, x, yFromBottom]: (typeof rows)[number], text: string): EmbossLine => ({
  text,
  font,
  x,
  yFromBottom,
  pitch: wheels[font].pitch,
});

/** Any character of a wheel, without the space. */
const charsOf = (font: WheelFont): string => wheels[font].characters.replace(" ", "");

/** Which character of which line a box is of. */
const placeOf = ({ x, y, width }: Box): string =>
  `${(53.98 - y).toFixed(1)} ${String(Math.round((x + width / 2) / width))}`;
const cell = ({ font, x, yFromBottom, pitch }: EmbossLine, at: number): string =>
  placeOf({
    x: x + (at - 0.5) * pitch,
    y: 53.98 - yFromBottom - wheels[font].height / 2,
    width: pitch,
    height: wheels[font].height,
  });

describe("good raised characters", () => {
  test("any beside any, also close below a text: none is doubted, nor comes near to it", async () => {
    for (let card = 0; card < 8; card++) {
      const luck = chance(`good ${String(card)}`);
      const lines = rows.map((row) => {
        const chars = wheels[row[0]].characters;
        const any = Array.from({ length: row[3] }, () => chars[Math.floor(luck.next() * chars.length)] ?? "");
        return rowOf(row, any.join("").trim().padEnd(1, "0"));
      });
      // As a line of print that stands a quarter of a millimetre above the characters.
      const marks = rows.map(([font, x, yFromBottom]) => ({
        x: x + 20,
        y: 53.98 - yFromBottom - wheels[font].height / 2 - 0.55,
        width: 30,
        height: 0.3,
      }));
      const { findings, measures } = await judged({ expected: lines, seed: `good ${String(card)}`, marks });
      expect([card, findings]).toEqual([card, []]);
      for (const { worst = 1 } of measures) expect(worst).toBeLessThan(0.3);
    }
  });
});

/** How unlike two characters are. */
function unlike(font: WheelFont, one: string, other: string): number {
  const [a, b] = [one, other].map((char) => stampOf(font, char, 0, 0, false)?.data ?? new Float32Array());
  return a?.reduce((sum, value, at) => sum + (value - (b?.[at] ?? 0)) ** 2, 0) ?? 0;
}

/** Each character of a wheel with those most like it: meant, and struck instead of it. A space: nothing is struck. */
const pairs = (font: WheelFont, most: number): readonly (readonly [string, string])[] =>
  Array.from(charsOf(font)).flatMap((meant) => [
    ...Array.from(charsOf(font))
      .filter((one) => one !== meant)
      .toSorted((a, b) => unlike(font, meant, a) - unlike(font, meant, b))
      .slice(0, most)
      .map((one) => [meant, one] as const),
    [meant, " "] as const,
  ]);

describe("wrong raised characters", () => {
  test("each for those of its wheel that it is most like, and each that is missing, is told at its place, and no other", async () => {
    const left = { "7B": [...pairs("7B", 9)], "4B": [...pairs("4B", 6)] };
    for (let card = 0; left["7B"].length + left["4B"].length > 0; card++) {
      const wrong = new Set<string>();
      const made = rows.map((row, nth) => {
        const [font, , , length] = row;
        const chars = charsOf(font);
        const [meant, struck]: [string[], string[]] = [[], []];
        for (let at = 0; at < length; at++) {
          const pair = (at + nth) % 3 === 1 ? left[font].pop() : undefined;
          const good = chars[(card + at * 7) % chars.length] ?? "";
          meant.push(pair?.[0] ?? good);
          struck.push(pair?.[1] ?? good);
          if (pair !== undefined) wrong.add(cell(rowOf(row, ""), at));
        }
        return [rowOf(row, meant.join("")), rowOf(row, struck.join(""))] as const;
      });
      const { findings } = await judged({
        expected: made.map(([meant]) => meant),
        struck: made.map(([, struck]) => struck),
        seed: `wrong ${String(card)}`,
      });
      const found = findings.filter(({ weight, measured }) => weight === "reject" && measured > 0.6);
      expect([card, found.map(({ box }) => placeOf(box)).toSorted()]).toEqual([card, [...wrong].toSorted()]);
    }
  });
  test("what marks hide is doubted, for nobody can tell", async () => {
    const [, row] = rows;
    if (row === undefined) throw new Error("there is no such row");
    const line = rowOf(row, "OTTO");
    const { findings } = await judged({
      expected: [line],
      struck: [{ ...line, text: "0TT0" }],
      seed: "hidden",
      // The middle one and the last are hidden whole.
      marks: [{ x: line.x + 1.5 * line.pitch, y: 36, width: 6, height: 6 }],
    });
    expect(findings.map(({ what, weight, box }) => [what, weight, placeOf(box)])).toEqual([
      ["wrong-glyph", "reject", cell(line, 0)],
      ["wrong-glyph", "doubtful", cell(line, 2)],
      ["wrong-glyph", "doubtful", cell(line, 3)],
    ]);
  });
});
