/** What a rejected card says stands in its sealed picture, and so in the report's; names that were read are nowhere else. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openTextReader } from "../stations/reading/index.js";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";
import type { Produced } from "./end-run.js";
import { filesUnder, foundIn, type Needles, textForms } from "./leak.test.data.js";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 600_000 });

const folder = mkdtempSync(join(tmpdir(), "persoline-judged-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "data");
/** Without marks on letters: the reader gives them back as they are. */
const names = ["Quendolin Talbrook", "Hartmut Wickenford", "Ottoline Framstad"];
let ended: Ended;
let made: Produced;

beforeAll(() => {
  const order = smallOrder(folder, names.length, ([head = "", ...rows]) => [
    head,
    ...rows.map((row, at) => {
      const cells = row.split(",");
      cells[head.split(",").indexOf("Full name")] = names[at] ?? "";
      return cells.join(",");
    }),
  ]);
  // Whose card it is has to be read from it: its photo is somebody else's, or wrong in itself.
  const line = idealLine(folder, "carousel", (text) =>
    text
      .replace(/(name: (?:quality|visual), heads: )\d/g, "$11")
      .replace(/ {4}(faults|flaws):\n( {6}- .*\n)+/g, "")
      .replace(/(- lot: .*\n)/, "$1    flaws: [{ blanks: { number: 2 }, flaw: wrong-photo front }]\n"),
  );
  ended = persoline(["run", order, "--line", line, "--data", data, "--json"]);
  if (ended.code !== 0) throw new Error(ended.err);
  made = JSON.parse(ended.out) as Produced;
});

/** The largest picture of the report's page: the reject as it was judged. */
async function shownReject(): Promise<Buffer> {
  const html = readFileSync(made.reports[0] ?? "", "utf8");
  const [, jpeg = ""] =
    /Rejected cards as they were judged[^]*?<img src="data:image\/jpeg;base64,([^"]+)"/.exec(html) ?? [];
  return sharp(Buffer.from(jpeg, "base64")).toBuffer();
}

test("the report's picture of the reject says whose name is on it", async () => {
  expect(made.rejects).toEqual([expect.objectContaining({ station: "quality", code: "picture-wrong" })]);
  const picture = sharp(await shownReject());
  const { width, height } = await picture.metadata();
  // Lines under the right half, which shows what the camera saw; two faces of ID-1 beside each other are 450 high at this width.
  const top = Math.round((width * 690) / 2082);
  const lines = await picture
    .extract({ left: width >> 1, top, width: width >> 1, height: height - top })
    .resize({ width: (width >> 1) * 3 })
    .png()
    .toBuffer();
  const reader = await openTextReader();
  const { text } = await reader.read(lines, { lines: 9, dpi: 300 });
  await reader.close();
  expect(names.filter((name) => text.includes(`name says “${name}”`))).toHaveLength(1);
});

test("and no name that was read is in clear in a history, a journal, a report, a log or an output", () => {
  const needles: Needles = new Map(names.map((name) => [name, textForms(name, name.split(" ")[1] ?? "")]));
  const files = filesUnder(data);
  expect(files.filter((file) => /\.db|report\.|\.judged$/.test(file)).length).toBeGreaterThan(4);
  expect(foundIn(files, needles)).toEqual([]);
  expect(names.filter((name) => ended.out.includes(name) || ended.err.includes(name))).toEqual([]);
  // The search finds what is there.
  expect(foundIn([join(folder, "employees.csv")], needles)).toHaveLength(names.length);
  expect(readdirSync(data)).toContain("persoline.db");
});
