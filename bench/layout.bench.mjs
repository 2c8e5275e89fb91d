// Faces of cards: laid out, drawn for the engraver and the printer, at 300 and 600 dpi, artwork kept; then two thousand of them, to see
// whether memory grows.
import { readFileSync } from "node:fs";
import {
  compileVisual,
  layoutFace,
  readFonts,
  renderColour,
  renderFace,
  sampleRecords,
} from "../packages/line/dist/plan/layout/index.js";

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const fonts = readFonts();
const offered = {
  texts: [
    ..."name department premises number validUntil".split(" "),
    ..."surname given nativeName birth sex nationality category".split(" "),
    ..."order record cardNumber".split(" "),
  ],
  photos: ["photo", "signature"],
  codes: ["cardNumber"],
};

const visualOf = (/** @type {string} */ product) => {
  const folder = new URL(`../examples/products/${product}/layout/`, import.meta.url);
  const read = (/** @type {string} */ file) => ({ file, text: readFileSync(new URL(file, folder), "utf8") });
  return compileVisual({ front: read("front.yaml"), back: read("back.yaml") }, offered, fonts, read);
};

const people = sampleRecords(
  [
    ...offered.texts.map((field) => ({ field, column: field, required: true, max: 12 })),
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
const [person] = people;
if (person === undefined) throw new Error("no sample record");
const values = {
  ...person.fields,
  premises: ["A1", "LAB"],
  birth: "1989-04-23",
  sex: "F",
  nationality: "UTO",
  number: "PP1234567",
  category: "junior",
  validUntil: "2031-12-31",
  cardNumber: "2026-117-0001",
};

const median = (/** @type {number[]} */ list) => list.sort((a, b) => a - b)[list.length >> 1] ?? 0;
const rounds = 31;

/** Median on the wall's clock and mean processor time, ms: the second says the same on a busy machine. */
async function measured(/** @type {(i: number) => unknown} */ work) {
  await work(0);
  const times = [];
  const before = process.cpuUsage();
  for (let i = 1; i <= rounds; i++) {
    const start = performance.now();
    await work(i);
    times.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  return `${median(times).toFixed(1).padStart(7)} ${((user + system) / 1000 / rounds).toFixed(1).padStart(6)}`;
}

print("  ms a face: median of 31 by the wall's clock, and processor time");
print("                            lay out        engraver 300   engraver 600   printer 300    printer 600");
for (const product of ["office-access", "warehouse-access", "resident-card"]) {
  const visual = visualOf(product);
  const { faces } = visual.draw(values, person.photos);
  for (const [at, face] of faces.entries()) {
    const own = visual.sides[at];
    if (own === undefined) continue;
    const columns = [
      await measured((i) =>
        layoutFace(own, { ...values, number: `PP${String(1_000_000 + i)}` }, person.photos),
      ),
    ];
    for (const render of [renderFace, renderColour])
      for (const dpi of /** @type {const} */ ([300, 600]))
        columns.push(await measured(() => render(face, dpi)));
    print(`  ${`${product} ${face.side}`.padEnd(24)} ${columns.join(" ")}`);
  }
}

const count = 2000;
const visual = visualOf("office-access");
const used = () => {
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { rss: rss / 1e6, heap: heapUsed / 1e6 };
};
print(`\n  ${String(count)} faces at 600 dpi, one after the other`);
for (let i = 0; i <= count; i += 2) {
  if (i % Math.max(2, Math.round(count / 10)) === 0) {
    const { rss, heap } = used();
    print(
      `  after ${String(i).padStart(6)} faces: ${rss.toFixed(0).padStart(5)} MB in use, ${heap.toFixed(0)} MB of it the heap`,
    );
  }
  const { faces } = visual.draw(
    { ...values, cardNumber: `2026-117-${String(i).padStart(5, "0")}` },
    person.photos,
  );
  for (const face of faces) await renderFace(face, 600);
}
