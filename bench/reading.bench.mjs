// What the reader tells of sides that did not pass, held against what really stands on them.
//   npm run bench reading                                  20 captures a class
//   node bench/reading.bench.mjs 40 middle --from 3020     as in docs/quality.md
import { parseArgs } from "node:util";
import { captureOf } from "../packages/line/dist/stations/quality/captures.test.data.js";
import { decodePicture, greyOf, inspectFace } from "../packages/line/dist/stations/quality/index.js";
import { openTextReader, readSide } from "../packages/line/dist/stations/reading/index.js";

/** @typedef {import("../packages/line/dist/stations/quality/captures.test.data.js").Severity} Severity */
/** @typedef {import("../packages/line/dist/stations/quality/captures.test.data.js").Space} Space */
/** @typedef {{ exact: number, near: number, wrong: number, unclear: number, script: number, typeface: number }} Count */

/** Of these it is known what the field says: its own text, or the other card's. */
const classes = /** @type {const} */ ([
  "another-card",
  "wrong-text",
  "upside-down",
  "mirrored",
  "shift",
  "shift-field",
  "faint",
  "faint-field",
  "double-print",
]);

/** On a card with one wrong text the others are its own. */
const ofOther = ["another-card", "wrong-text"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: "string", default: "0" },
    seeds: { type: "string", default: "test" },
    each: { type: "boolean", default: false },
  },
});
const captures = Number(positionals[0] ?? 20);
const severity = /** @type {Severity} */ (positionals[1] ?? "middle");
const space = /** @type {Space} */ (values.seeds);
const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** Marks on letters, spaces, small dots and strokes, and characters that look alike in many typefaces. */
const bare = (/** @type {string} */ text) =>
  text
    .normalize("NFD")
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[Đđ]/g, "D")
    .replaceAll(/[Øø0]/g, "O")
    .replaceAll(/[Łł]/g, "L")
    .replaceAll(/[ıIil1|]/g, "I")
    .replaceAll(/[\s·.,'’‘-]/g, "")
    .toUpperCase();

/** @type {Map<string, Count>} */
const counts = new Map();
const none = () => ({ exact: 0, near: 0, wrong: 0, unclear: 0, script: 0, typeface: 0 });
const reader = await openTextReader();
let sides = 0;
let time = 0;
for (const kind of classes)
  for (let i = 0; i < captures; i++) {
    const number = Number(values.from) + i;
    const { card, jpeg, options, other } = await captureOf(kind, severity, number, space);
    const { face, raster } = card;
    const picture = { ...(await decodePicture(jpeg)), side: face.side, frame: 1, takenAt: 0 };
    const { verdict, straight } = await inspectFace(picture, face, raster, options);
    if (straight === undefined || verdict.verdict === "pass") continue;
    const began = performance.now();
    const readings = await readSide(reader, face, greyOf(straight), verdict, options.ground);
    time += performance.now() - began;
    sides++;
    const own = kind === "another-card" ? [] : [face];
    const shown = ofOther.includes(kind) ? [...own, other?.face ?? face] : own;
    for (const reading of readings) {
      const fields = shown.flatMap((one) => one.fields.filter(({ name }) => name === reading.field));
      const count = counts.get(kind) ?? none();
      counts.set(kind, count);
      if ("unread" in reading) count[reading.unread]++;
      else {
        const truths = fields.map(({ text = "" }) => text);
        const how = truths.includes(reading.reads)
          ? "exact"
          : truths.some((truth) => bare(truth) === bare(reading.reads))
            ? "near"
            : "wrong";
        count[how]++;
        if (values.each)
          print(
            `${how} ${String(reading.confidence)} ${kind} ${reading.field}: ${truths.join(" or ")} => ${reading.reads}`,
          );
      }
    }
  }
await reader.close();
const columns = /** @type {const} */ (["exact", "near", "wrong", "unclear", "script", "typeface"]);
const row = (/** @type {string} */ name, /** @type {readonly unknown[]} */ cells) =>
  print(name.padEnd(16) + cells.map((cell) => String(cell).padStart(10)).join(""));
row("class", ["fields", ...columns]);
for (const [kind, count] of counts) {
  const cells = columns.map((column) => count[column]);
  row(kind, [cells.reduce((sum, cell) => sum + cell, 0), ...cells]);
}
print(`${String(sides)} sides, ${(time / sides).toFixed(0)} ms a side`);
