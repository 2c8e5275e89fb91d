/** Nothing is claimed of raised characters that nobody saw. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { PlannedProduct, PreparedRecord } from "../plan/types.js";
import { parseLine } from "../stations/line-file.js";
import { reliefSeen } from "./marks.js";
import { shownOf } from "./shown.js";

const example = readFileSync(new URL("../../../../examples/lines/warehouse.yaml", import.meta.url), "utf8");

/** The example's line on the wall's clock, one head a station, with these machines. */
const line = (embosser: string, camera: string) =>
  parseLine(
    example
      .replace(/^mode: .*$/m, "mode: timed")
      .replace("embosser: simulated", embosser)
      .replace(", camera: simulated", camera)
      .replaceAll(/heads: \d+/g, "heads: 1"),
    "line.yaml",
  );
const real = 'embosser: { remote: "127.0.0.1:7443", station: room, ca: ca.pem, cert: a.pem, key: a.key }';

test.each([
  ["embosser: simulated", ", camera: simulated", { camera: true, machine: true }],
  // Its record repeats the job: the camera alone can tell.
  ["embosser: simulated, spoils: 3", ", camera: simulated", { camera: true, machine: false }],
  [real, ", camera: simulated", { camera: false, machine: false }],
  [real, ', camera: { http: "http://127.0.0.1/{side}" }', { camera: true, machine: false }],
])("%s%s", (embosser, camera, seen) => {
  expect(reliefSeen(line(embosser, camera))).toEqual(seen);
});

test("who sees them decides what is compared, and what is not shown", () => {
  const planned = { product: { name: "x" } } as unknown as PlannedProduct;
  const face = { side: "front", common: { key: "", elements: [] }, own: [], fields: [] } as const;
  const record = {
    number: 1,
    faces: [face],
    emboss: [
      { field: "emboss-pan", text: "9999 0151 5615 1849", font: "7B", x: 10, yFromBottom: 21.42, pitch: 3.6 },
    ],
    told: { record: {}, chip: { number: "9999015156151849" }, fields: {} },
  } as unknown as PreparedRecord;
  const by = (camera: boolean, machine: boolean, faces = [face]) =>
    shownOf(
      planned,
      { ...record, faces },
      { camera: true, encoder: true, chip: "none", relief: { camera, machine } },
    );
  const struck = ({ unshown }: { readonly unshown: readonly string[] }) =>
    unshown.filter((one) => /raised|pressed/.test(one));
  const compared = ["chip and raised characters: number"];
  for (const seen of [by(true, false), by(false, true), by(true, true)]) {
    expect(seen.compared).toEqual(compared);
    expect(struck(seen)).toEqual([]);
  }
  const line = { kind: "line", layer: "indent", field: "code" };
  const pressed = by(true, true, [{ ...face, own: [line] } as unknown as typeof face]);
  expect(struck(pressed)).toEqual([
    expect.stringMatching(/^no camera judges: characters pressed in \(code\)/),
  ]);
  // Where no side is drawn no picture is taken.
  for (const unseen of [by(false, false), by(true, false, [])]) {
    expect(unseen.compared).toEqual([]);
    expect(unseen.unshown.join()).toMatch(
      /no camera of this line looks at: raised characters \(emboss-pan\)/,
    );
    expect(unseen.unshown.join()).not.toContain("1849");
  }
});
