/**
 * Raised characters: each verified at its place against all others of its wheel (by rank, since light and foil make them look as they like),
 * then taken out of the picture, so that what remains is judged as on any card. On the back they are dents, mirrored: taken out alone.
 */
import { id1, wheels } from "@persoline/card/id1";
import type { EmbossLine } from "../../plan/types.js";
import type { FaceFinding, FieldMeasure } from "./finding.js";
import { type Box, perMm, windowOf } from "./match.js";
import { boxBlur, cut, halve, type Plane, plane, type Window, windowAll } from "./plane.js";
import { type Middle, rankOf, type Unexplained } from "./rank.js";
import { add, climb, coveredBy, gather, litBy, noSums, type Place, type SideLit } from "./side-light.js";
import { nothing, type Sight } from "./sight.js";
import { beyond, parts, stampOf } from "./stamp.js";

/** What wheels struck into the card, as its layout has it. */
export interface Raised {
  readonly lines: readonly EmbossLine[];
  /**
   * Whether a card without any of it is wrong. Not so where the camera is simulated and the embosser is not: its plastic is not what that
   * camera looks at.
   */
  readonly must: boolean;
}

export interface JudgedRelief {
  readonly findings: readonly FaceFinding[];
  readonly measures: readonly FieldMeasure[];
  /** The picture without them, and where they were. */
  readonly sight: Sight;
}

/** Correlation of a line with what is seen from which it is there at all. */
const there = 0.3;
/** From which its place means something. */
const placed = 0.55;
/** Halfway between the expected character and the likeliest other: beyond it that one is likelier; before it, nobody can tell. */
const wrong = { doubtful: 0.4, from: 0.5 } as const;
/** Share of what tells a character from the likeliest other that marks may leave to be seen: below it nobody can tell. */
const told = 0.15;
/** Share of a character that must be seen where nothing was to be struck. */
const struckToo = 0.5;
/** mm that wheels may strike off: their carriages are less exact than a laser. */
const slack = 0.1;

interface Line {
  readonly line: EmbossLine;
  readonly name: string;
  readonly box: Box;
  readonly mirrored: boolean;
}

const nameOf = ({ field }: EmbossLine, at: number): string => field ?? `raised line ${String(at + 1)}`;

function linesOf({ lines }: Raised, side: "front" | "back"): readonly Line[] {
  const mirrored = side === "back";
  return lines.map((line, at) => {
    const [first, last] = [line.x, line.x + (line.text.length - 1) * line.pitch];
    const { height } = wheels[line.font];
    const left = (mirrored ? id1.width - last : first) - line.pitch / 2;
    return {
      line,
      mirrored,
      name: nameOf(line, at),
      box: {
        x: left,
        y: id1.height - line.yFromBottom - height / 2,
        width: last - first + line.pitch,
        height,
      },
    };
  });
}

/** Boxes of the lines with their flanks, for whoever measures light on the bare card. */
export const raisedBoxes = (raised: Raised | undefined, side: "front" | "back"): readonly Box[] =>
  raised === undefined
    ? []
    : linesOf(raised, side).map(({ box: { x, y, width, height } }) => ({
        x: x - 0.3,
        y: y - 0.4,
        width: width + 0.6,
        height: height + 0.4 + beyond.below,
      }));

/** Where a character's middle lies, in whole dots and parts of one. */
function middleOf({ line, mirrored }: Line, at: number, { dx, dy }: Pick<Place, "dx" | "dy">): Middle {
  const x = line.x + at * line.pitch;
  const along = Math.round(((mirrored ? id1.width - x : x) * perMm + dx) * parts);
  const down = Math.round(((id1.height - line.yFromBottom) * perMm + dy) * parts);
  const [wholeX, wholeY] = [Math.floor(along / parts), Math.floor(down / parts)];
  return { x: wholeX, y: wholeY, partX: along - wholeX * parts, partY: down - wholeY * parts };
}

function draw(line: Line, place: Pick<Place, "dx" | "dy">, { width, height, data }: Plane): void {
  for (const [i, char] of Array.from(line.line.text).entries()) {
    const middle = middleOf(line, i, place);
    const stamp = stampOf(line.line.font, char, middle.partX, middle.partY, line.mirrored);
    if (stamp === undefined) continue;
    for (let y = 0; y < stamp.height; y++) {
      const row = middle.y + stamp.top + y;
      if (row < 0 || row >= height) continue;
      for (let x = 0; x < stamp.width; x++) {
        const column = middle.x + stamp.left + x;
        const value = stamp.data[y * stamp.width + x] ?? 0;
        if (value > 0 && column >= 0 && column < width) {
          const at = row * width + column;
          data[at] = Math.max(data[at] ?? 0, value);
        }
      }
    }
  }
}

const shifted = ({ left, top, right, bottom }: Window): Window => ({
  left: left >> 1,
  top: top >> 1,
  right: (right + 1) >> 1,
  bottom: (bottom + 1) >> 1,
});

/** Where a line was found, as far as its characters reach, and so many mm more at its ends. */
function windowAround({ box }: Line, place: Place, ends: number, { seen }: Sight): Window {
  const longer = {
    x: box.x - 0.6 - ends,
    y: box.y - beyond.above,
    width: box.width + 1.2 + 2 * ends,
    height: box.height + beyond.above + beyond.below,
  };
  const { left, top, right, bottom } = windowOf(longer, 0, seen);
  const [x, y] = [Math.round(place.dx), Math.round(place.dy)];
  return { left: left + x, right: right + x, top: top + y, bottom: bottom + y };
}

const both = (a: Window, b: Window): Window => ({
  left: Math.min(a.left, b.left),
  top: Math.min(a.top, b.top),
  right: Math.max(a.right, b.right),
  bottom: Math.max(a.bottom, b.bottom),
});

const meet = (a: Window, b: Window): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Those that meet as one around both: the light on a dot is measured once, and taken out once. */
const apart = (windows: readonly Window[]): readonly Window[] =>
  windows.reduce<readonly Window[]>((before, window) => {
    const met = before.filter((one) => meet(one, window));
    if (met.length === 0) return [...before, window];
    return apart([...before.filter((one) => !met.includes(one)), met.reduce(both, window)]);
  }, []);

/**
 * Where marks are, as the whole print was found, and two dots around: no light on a flank can be told there. At half of full size. (What
 * the judge knows as near to marks reaches farther, and into the characters of a line that stands close below a text.)
 */
function hiddenBy({ expectedHalf, shift, desk }: Sight): Plane {
  const { width, height } = expectedHalf;
  const [room, across, to] = desk.spare;
  const spread = boxBlur(expectedHalf, 1, plane(width, height, room), across);
  return cut(spread, windowAll(spread), -shift.dx / 2, -shift.dy / 2, to);
}

/** Where a line lies, dots; near its place first, then as far off as 1.4 mm. */
function placeOf(line: Line, sight: Sight, hidden: Plane, relief: Plane, reliefHalf: Plane): Place {
  const window = windowOf(line.box, 0.4, sight.seen);
  const half = shifted(window);
  const roughly = (dx: number, dy: number): number =>
    litBy(gather(sight.seenHalf, reliefHalf, { plane: hidden, halved: 0 }, half, dx, dy, 2)).share;
  const exactly = (dx: number, dy: number): number =>
    litBy(gather(sight.seen, relief, { plane: hidden, halved: 1 }, window, dx, dy, 2)).share;
  let rough = climb(roughly, { dx: 0, dy: 0 }, 8);
  if (Math.sqrt(rough.share) < placed) {
    for (let dy = -8; dy <= 8; dy++)
      for (let dx = -8; dx <= 8; dx++) {
        const share = roughly(dx, dy);
        if (share > rough.share) rough = { dx, dy, share };
      }
  }
  return climb(exactly, { dx: Math.round(rough.dx) * 2, dy: Math.round(rough.dy) * 2 }, 4);
}

const cellBox = ({ line, box, mirrored }: Line, at: number): Box => ({
  x: mirrored ? id1.width - line.x - (at + 0.5) * line.pitch : line.x + (at - 0.5) * line.pitch,
  y: box.y,
  width: line.pitch,
  height: box.height,
});

/** The light on one character: the foil on its crests counts by the ground around it. */
function litAt(lit: SideLit, { x, y }: Middle, { ground }: Sight): SideLit {
  if (ground === undefined) return lit;
  let sum = 0;
  for (let j = -20; j <= 20; j += 4)
    for (let i = -12; i <= 12; i += 4) sum += coveredBy(ground, (y + j) * ground.width + x + i);
  return { ...lit, crest: lit.crest + (lit.foil * sum) / 77 };
}

/** The share of its places at which nothing is struck, from which a line is told as missing and not as so many wrong characters. */
const mostBare = 0.5;

/** Character by character; one place more at each end, where a wheel may have struck what is not in the line. */
function judgeCharacters(line: Line, place: Place, sight: Sight, unexplained: Unexplained, lit: SideLit) {
  const findings: FaceFinding[] = [];
  const chars = Array.from(line.line.text);
  let worst = 0;
  /** Places of characters, and those at which nothing at all is likelier than any character. */
  let [places, bare] = [0, 0];
  for (let at = -1; at <= chars.length; at++) {
    const expected = chars[at] ?? " ";
    const box = cellBox(line, at);
    if (box.x < 0.5 || box.x + box.width > id1.width - 0.5) continue;
    const middle = middleOf(line, at, place);
    const rank = rankOf(
      line.line.font,
      line.mirrored,
      expected,
      middle,
      unexplained,
      litAt(lit, middle, sight),
    );
    if (rank === undefined) continue;
    const { off, open, other } = rank;
    const say = (
      what: "wrong-glyph" | "extra-ink",
      limit: number,
      weight: FaceFinding["weight"],
      measured = off,
    ): void => {
      findings.push({ field: line.name, what, measured, limit, unit: "share", box, weight });
    };
    if (expected === " ") {
      // Beyond the ends of a line there may be marks.
      if (open >= told && off > struckToo) say("extra-ink", struckToo, "reject");
      continue;
    }
    worst = Math.max(worst, off);
    places++;
    if (off > wrong.from && other === undefined) bare++;
    if (off > wrong.from) say("wrong-glyph", wrong.from, "reject");
    else if (off > wrong.doubtful) say("wrong-glyph", wrong.doubtful, "doubtful");
    else if (open < told) say("wrong-glyph", told, "doubtful", open);
  }
  return { findings, worst, bare: places === 0 ? 0 : bare / places };
}

/** What the light on the lines as they should be leaves unexplained, around them; 0 where marks hide it. */
function restOf(
  { seen, ground, desk }: Sight,
  hidden: Plane,
  relief: Plane,
  lit: SideLit,
  windows: readonly Window[],
): Plane {
  const { width, height } = seen;
  const rest = plane(width, height, desk.spare[3]);
  rest.data.fill(0);
  const e = relief.data;
  for (const { left, top, right, bottom } of windows)
    for (let y = Math.max(1, top); y < Math.min(height - 1, bottom); y++)
      for (let x = Math.max(1, left), at = y * width + x; x < Math.min(width - 1, right); x++, at++) {
        if ((hidden.data[(y >> 1) * hidden.width + (x >> 1)] ?? 0) >= nothing) continue;
        const crest = lit.crest + (ground === undefined ? 0 : lit.foil * coveredBy(ground, at));
        const across = (e[at + 1] ?? 0) - (e[at - 1] ?? 0);
        const down = (e[at + width] ?? 0) - (e[at - width] ?? 0);
        rest.data[at] =
          (seen.data[at] ?? 0) - lit.base - crest * (e[at] ?? 0) - (lit.toX * across + lit.toY * down) / 2;
      }
  return rest;
}

/** Takes what the light makes of the relief out of the picture; marks under it are lit as the body is. */
function takeOut(
  { seen, seenHalf, ground }: Sight,
  relief: Plane,
  lit: SideLit,
  windows: readonly Window[],
): void {
  const { width, data } = seen;
  const e = relief.data;
  for (const { left, top, right, bottom } of windows)
    for (let y = Math.max(1, top); y < Math.min(seen.height - 1, bottom); y++)
      for (let x = Math.max(1, left), at = y * width + x; x < Math.min(width - 1, right); x++, at++) {
        const a = e[at] ?? 0;
        const across = (e[at + 1] ?? 0) - (e[at - 1] ?? 0);
        const down = (e[at + width] ?? 0) - (e[at - width] ?? 0);
        if (a === 0 && across === 0 && down === 0) continue;
        const ink = data[at] ?? 0;
        const crest = lit.crest + (ground === undefined ? 0 : lit.foil * coveredBy(ground, at));
        const light = crest * a + (lit.toX * across + lit.toY * down) / 2;
        data[at] = ink - light * (ink > 0.5 ? Math.max(0, 1 - ink) : 1);
      }
  halve(seen, seenHalf);
}

/** Everything that is raised on a side, or dents it. */
export function judgeRelief(sight: Sight, side: "front" | "back", raised: Raised): JudgedRelief {
  const lines = linesOf(raised, side);
  const hidden = hiddenBy(sight);
  const { relief } = sight.desk;
  relief.data.fill(0);
  for (const line of lines) draw(line, { dx: 0, dy: 0 }, relief);
  const reliefHalf = halve(relief);
  const found = lines.map((line) => ({ line, place: placeOf(line, sight, hidden, relief, reliefHalf) }));
  const seenLines = found.filter(({ place }) => Math.sqrt(place.share) > there);
  relief.data.fill(0);
  for (const { line, place } of seenLines) draw(line, place, relief);
  const sums = noSums();
  const windows = apart(seenLines.map(({ line, place }) => windowAround(line, place, 0, sight)));
  for (const window of windows)
    add(sums, gather(sight.seen, relief, { plane: hidden, halved: 1 }, window, 0, 0, 1, sight.ground));
  const lit = litBy(sums);
  const judge = (): readonly ReturnType<typeof judgeLine>[] => {
    const around = seenLines.map(({ line, place }) => windowAround(line, place, line.line.pitch, sight));
    const unexplained = { rest: restOf(sight, hidden, relief, lit, around), hidden };
    return found.map(({ line, place }) => judgeLine(line, place, sight, unexplained, lit));
  };
  const judged = side === "back" || (!raised.must && seenLines.length === 0) ? [] : judge();
  takeOut(sight, relief, lit, windows);
  return {
    findings: judged.flatMap(({ findings }) => findings),
    measures: judged.map(({ measure }) => measure),
    sight: { ...sight, relief, reliefIn: windows, foil: lit.crest },
  };
}

function judgeLine(line: Line, place: Place, sight: Sight, unexplained: Unexplained, lit: SideLit) {
  const correlation = Math.sqrt(place.share);
  const [dx, dy] = [place.dx / perMm, place.dy / perMm];
  const measure = { field: line.name, kind: "raised", dx, dy, ink: 1, correlation } as const;
  const say = (what: "missing" | "displaced", measured: number, limit: number, unit: FaceFinding["unit"]) =>
    ({ field: line.name, what, measured, limit, unit, box: line.box, weight: "reject" }) as const;
  if (correlation < there) return { findings: [say("missing", correlation, there, "correlation")], measure };
  const limit = sight.limits.displacement + slack;
  const far = Math.hypot(dx, dy);
  const { findings, worst, bare } = judgeCharacters(line, place, sight, unexplained, lit);
  // A line close by may lend its flanks to one that is not there.
  if (bare > mostBare)
    return { findings: [say("missing", bare, mostBare, "share")], measure: { ...measure, worst } };
  if (correlation > placed && far > limit) findings.push(say("displaced", far, limit, "mm"));
  return { findings, measure: { ...measure, worst } };
}

/** What light and wheel may make of a relief otherwise than told here, in ink: of its flanks, and a share of its crests' foil besides. */
const unlike = { flanks: 0.5, crests: 0.7 } as const;

/** What the relief may explain is no damage: a real wheel's flanks are a little other than those of a drawing. */
export function excuseRelief({ relief, reliefIn = [], foil = 0 }: Sight, rest: Plane): void {
  if (relief === undefined) return;
  const { data, width, height } = relief;
  const most = unlike.flanks + unlike.crests * Math.abs(foil);
  for (const { left, top, right, bottom } of reliefIn)
    for (let y = Math.max(2, top); y < Math.min(height - 2, bottom); y++)
      for (let x = Math.max(2, left), at = y * width + x; x < Math.min(width - 2, right); x++, at++) {
        let [low, high] = [data[at] ?? 0, data[at] ?? 0];
        for (const one of [at - 2, at + 2, at - 2 * width, at + 2 * width]) {
          const value = data[one] ?? 0;
          if (value < low) low = value;
          if (value > high) high = value;
        }
        if (high === 0) continue;
        const excused = most * high * (high - low > 0.1 ? 1 : 0.5);
        const value = rest.data[at] ?? 0;
        rest.data[at] = Math.sign(value) * Math.max(0, Math.abs(value) - excused);
      }
}

/** Draws the lines as a lamp at the upper left shows them: on the back as dents. */
export function drawRelief(
  { width, height, grey }: { readonly width: number; readonly height: number; readonly grey: Uint8Array },
  side: "front" | "back",
  raised: readonly EmbossLine[],
): void {
  const relief = plane(width, height);
  for (const line of linesOf({ lines: raised, must: true }, side)) draw(line, { dx: 0, dy: 0 }, relief);
  const e = relief.data;
  const strength = side === "back" ? -0.4 : 0.7;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1, at = y * width + 1; x < width - 1; x++, at++) {
      const slope = (e[at + 1] ?? 0) - (e[at - 1] ?? 0) + (e[at + width] ?? 0) - (e[at - width] ?? 0);
      if (slope !== 0) grey[at] = Math.min(255, Math.max(0, (grey[at] ?? 0) * (1 + strength * slope)));
    }
}
