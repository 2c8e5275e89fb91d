// Cards for a laser: the lines of a face with artwork kept, the files written from them, and the dark way before and after it is ordered.
import { readFileSync } from "node:fs";
import { compileVisual, readFonts, sampleRecords } from "../packages/line/dist/plan/layout/index.js";
import { laserFile, laserFormats, laserJob, parseLaser } from "../packages/line/dist/plan/laser/index.js";

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const texts = [
  ..."name department premises number validUntil".split(" "),
  ..."surname given nativeName birth sex nationality category".split(" "),
  ..."order record cardNumber".split(" "),
];
const offered = { texts, photos: ["photo", "signature"], codes: ["cardNumber"] };
const fonts = readFonts();
const [person] = sampleRecords(
  [
    ...texts.map((field) => ({ field, column: field, required: true, max: 12 })),
    ...offered.photos.map((field) => ({
      field,
      column: field,
      required: true,
      type: /** @type {const} */ ("photo"),
    })),
  ],
  ["latin"],
  ["signature"],
);
if (person === undefined) throw new Error("no sample record");
const values = {
  ...person.fields,
  premises: ["A1", "LAB"],
  birth: "1989-04-23",
  sex: "F",
  nationality: "UTO",
  category: "junior",
  validUntil: "2031-12-31",
};

const visualOf = (/** @type {string} */ product) => {
  const folder = new URL(`../examples/products/${product}/layout/`, import.meta.url);
  const read = (/** @type {string} */ file) => ({ file, text: readFileSync(new URL(file, folder), "utf8") });
  return compileVisual({ front: read("front.yaml"), back: read("back.yaml") }, offered, fonts, read);
};
const settings = await parseLaser(
  readFileSync(new URL("../examples/lasers/fibre.yaml", import.meta.url), "utf8"),
  "fibre.yaml",
  () => Promise.reject(new Error("this laser has no curve")),
);

const rounds = 11;
/** Mean processor time of a card, ms, the first one apart: it draws the artwork. */
async function measured(/** @type {(i: number) => Promise<unknown>} */ work) {
  await work(0);
  const before = process.cpuUsage();
  for (let i = 1; i <= rounds; i++) await work(i);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1000 / rounds).toFixed(0).padStart(6);
}

const formats = /** @type {readonly (keyof typeof laserFormats)[]} */ (Object.keys(laserFormats));
print("  ms of processor time a face, artwork kept; files with all that leads to them");
print(
  `  ${"".padEnd(24)} ${["lines", ...formats].map((one) => one.padStart(6)).join(" ")}   dark way, m    burnt in`,
);
for (const product of ["office-access", "warehouse-access", "resident-card"]) {
  const visual = visualOf(product);
  const draw = (/** @type {number} */ i) =>
    visual.draw(
      { ...values, number: `PP${String(1_000_000 + i)}`, cardNumber: `2026-117-${String(1000 + i)}` },
      person.photos,
    ).faces;
  for (const [at, { side }] of draw(0).entries()) {
    const faceOf = (/** @type {number} */ i) => {
      const face = draw(i)[at];
      if (face === undefined) throw new Error("no such side");
      return face;
    };
    const columns = [await measured((i) => laserJob(faceOf(i), settings))];
    for (const format of formats) columns.push(await measured((i) => laserFile(faceOf(i), settings, format)));
    const { figures } = await laserJob(faceOf(0), settings);
    const way = `${(figures.travelBefore / 1000).toFixed(1)} -> ${(figures.travel / 1000).toFixed(1)}`;
    print(
      `  ${`${product} ${side}`.padEnd(24)} ${columns.join(" ")}   ${way.padStart(11)}   ${(figures.ms / 1000).toFixed(1).padStart(6)} s`,
    );
  }
}
