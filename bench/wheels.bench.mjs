// Raised characters before the camera's judge: good lines of any characters, and the same with four wrong ones in each, until each character
// of a wheel has stood for each other one of it (some 150 cards).
//   npm run bench wheels                             30 cards, middle severity
//   node bench/wheels.bench.mjs 150 kept             kept: the line's own camera; mild, middle, hard as in the quality bench
//   node bench/wheels.bench.mjs 150 middle --from 1000
import { parseArgs } from "node:util";
import { wheels } from "../packages/card/dist/src/id1/index.js";
import { kept, severities } from "../packages/line/dist/devices/camera/optics.js";
import { chance } from "../packages/line/dist/devices/shop-floor/random.js";
import {
  drawnCard,
  optionsOf,
  photographed,
} from "../packages/line/dist/stations/quality/cards.test.data.js";
import { judgeFace } from "../packages/line/dist/stations/quality/index.js";

/** @typedef {"4B" | "7B"} Wheel */
/** @typedef {{ field: string, text: string, font: Wheel, x: number, yFromBottom: number, pitch: number, foil?: number }} Line */

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** Where lines may stand on the examples: wheel, centre of the first character, middle above the bottom edge, characters. */
const rows = /** @type {const} */ ({
  "office-access": [
    ["4B", 7.65, 7.2, 27],
    ["4B", 7.65, 3.5, 27],
  ],
  "warehouse-access": [
    ["4B", 7.65, 7, 27],
    ["4B", 7.65, 3.2, 27],
  ],
  payment: [
    ["7B", 10.2, 21.42, 19],
    ["4B", 30, 13.5, 13],
    ["4B", 7.65, 9.9, 27],
    ["4B", 7.65, 6.1, 27],
  ],
});
const products = /** @type {const} */ (["office-access", "warehouse-access", "payment"]);

const charsOf = (/** @type {Wheel} */ font) => wheels[font].characters.replace(" ", "");
/** All pairs of a wheel: meant, and struck instead. */
const pairsOf = (/** @type {Wheel} */ font) =>
  Array.from(charsOf(font)).flatMap((meant) =>
    Array.from(charsOf(font)).flatMap((struck) =>
      meant === struck ? [] : [/** @type {const} */ ([meant, struck])],
    ),
  );
const pairs = { "4B": pairsOf("4B"), "7B": pairsOf("7B") };
const used = { "4B": 0, "7B": 0 };

/** The next pair; the prime makes neighbours in the list stand far apart. */
function nextPair(/** @type {Wheel} */ font) {
  const pair = pairs[font][(used[font]++ * 991) % pairs[font].length];
  if (pair === undefined) throw new Error("a wheel without pairs");
  return pair;
}

/** A line as it should be, and with four wrong characters: their places, and what was struck there. */
function drawLine(
  /** @type {(typeof rows)[keyof typeof rows][number]} */ [font, x, yFromBottom, length],
  /** @type {ReturnType<typeof chance>} */ luck,
) {
  const chars = charsOf(font);
  const text = Array.from({ length }, () =>
    luck.next() < 0.05 ? " " : (chars[Math.floor(luck.next() * chars.length)] ?? ""),
  );
  text[0] = "0";
  text[length - 1] = "1";
  const struck = [...text];
  /** @type {Map<number, string>} */
  const wrong = new Map();
  while (wrong.size < 4) {
    const at = Math.floor(luck.next() * length);
    // Far enough from one another to have good neighbours.
    if ([...wrong.keys()].some((one) => Math.abs(one - at) < 2)) continue;
    const [meant, instead] = nextPair(font);
    text[at] = meant;
    struck[at] = instead;
    wrong.set(at, `${instead} for ${meant}`);
  }
  const base = { field: `${font} ${String(yFromBottom)}`, font, x, yFromBottom, pitch: wheels[font].pitch };
  return {
    line: { ...base, text: text.join("") },
    struck: { ...base, text: struck.join("") },
    wrong,
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { from: { type: "string", default: "0" } },
});
const [count = "30", severity = "middle"] = positionals;
// A belt of the card's own tone is a matter of other benches.
const conditions = { ...{ kept, ...severities }[/** @type {"kept"} */ (severity)], belt: kept.belt };
const from = Number(values.from);
const good = { cards: 0, doubted: 0, characters: 0, worst: /** @type {number[]} */ ([]) };
const bad = {
  struck: 0,
  doubtful: 0,
  passed: 0,
  measured: /** @type {{ at: number, what: string }[]} */ ([]),
};

for (let i = from; i < from + Number(count); i++) {
  const luck = chance(`wheels ${String(i)}`);
  const product = products[i % products.length] ?? "payment";
  const lines = rows[product].map((row) => drawLine(row, luck));
  const card = await drawnCard(product, "front", 5000 + i);
  const foil = luck.next() < 0.5 ? {} : { foil: luck.between(0.25, 0.9) };
  const as = (/** @type {readonly Line[]} */ struck) => ({
    ...card,
    raised: struck.map((line) => ({ ...line, ...foil })),
  });
  const meant = lines.map(({ line }) => line);
  const cards = [as(meant), as(lines.map(({ struck }) => struck))];
  const pictures = await photographed(cards, [], `wheels ${String(i)}`, conditions);
  const options = { ...optionsOf(card), raised: { lines: meant, must: true } };
  const verdicts = [];
  for (const picture of pictures) verdicts.push(await judgeFace(picture, card.face, card.raster, options));
  const [right, wrong] = verdicts;
  good.cards++;
  good.characters += meant.reduce((sum, { text }) => sum + text.replaceAll(" ", "").length, 0);
  // Whatever it is: what nothing explains beside a relief is a false scratch.
  const findings = right?.findings ?? [];
  if (findings.length > 0) {
    good.doubted++;
    print(
      `  card ${String(i)} ${product}: ${findings.map(({ field, what, measured }) => `${field} ${what} ${measured.toFixed(2)}`).join(", ")}`,
    );
  }
  for (const { kind, worst } of right?.measures ?? []) if (kind === "raised") good.worst.push(worst ?? 1);
  for (const { line, wrong: places } of lines)
    for (const [at, what] of places) {
      bad.struck++;
      const middle = line.x + at * line.pitch;
      const told = wrong?.findings.find(
        ({ field, box }) => field === line.field && box.x < middle && middle < box.x + box.width,
      );
      if (told === undefined) bad.passed++;
      else if (told.weight === "doubtful") bad.doubtful++;
      bad.measured.push({ at: told?.measured ?? 0, what });
    }
}

const sorted = good.worst.toSorted((a, b) => a - b);
const least = bad.measured.toSorted((a, b) => a.at - b.at);
const share = (/** @type {number} */ part) =>
  (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(2);
print(
  `  ${severity}: ${String(good.cards)} good cards, ${String(good.characters)} characters: ${String(good.doubted)} cards with a finding; worst character of a line: median ${share(0.5)}, 99 % ${share(0.99)}, most ${share(1)}`,
);
print(
  `  ${String(bad.struck)} wrong characters: ${String(bad.passed)} not told, ${String(bad.doubtful)} doubtful; least ${least
    .slice(0, 5)
    .map(({ at, what }) => `${at.toFixed(2)} (${what})`)
    .join(", ")}`,
);
