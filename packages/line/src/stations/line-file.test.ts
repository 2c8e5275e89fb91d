import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { flawOf } from "../devices/marker/flaws.js";
import { DataProblem } from "../orders/problem.js";
import { lineJsonSchema, parseLine, sendsTrays } from "./line-file.js";

const root = new URL("../../../../", import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), "utf8");
const good = text("examples/lines/carousel.yaml");

/** What is said about a file, as "line:column code". */
function told(source: string): string[] {
  try {
    parseLine(source, "line.yaml");
    return [];
  } catch (thrown) {
    if (!(thrown instanceof DataProblem)) throw thrown;
    return thrown.problems.map((problem) =>
      "path" in problem ? `${String(problem.line)}:${String(problem.column)} ${problem.code}` : problem.code,
    );
  }
}
const lineOf = (source: string, piece: string): number =>
  source.slice(0, source.indexOf(piece)).split("\n").length;

describe("line files", () => {
  test("the examples are right, and every planted flaw is one that the engraver knows", () => {
    const folder = fileURLToPath(new URL("examples/lines/", root));
    const files = readdirSync(folder);
    expect(files).toEqual(expect.arrayContaining(["bureau-3500.yaml", "carousel.yaml", "ideal.yaml"]));
    for (const file of files) {
      const { stock, stations } = parseLine(text(`examples/lines/${file}`), file);
      expect(stations.length).toBeGreaterThan(0);
      for (const { flaws } of stock) for (const { what } of flaws) expect(() => flawOf(what)).not.toThrow();
    }
  });

  test("the JSON Schema for editors is the one that files are read with", () => {
    expect(JSON.parse(text("schemas/line.schema.json"))).toEqual(
      JSON.parse(JSON.stringify(lineJsonSchema())),
    );
  });

  test("a desk with a single reader is a line file too", () => {
    const desk = `line: desk
mode: ideal
transport: { kind: simulated-carousel, moveMs: 0 }
without: [visual]
stations:
  - { name: desk, heads: 1, reader: simulated, does: [electrical-test, completion, initialisation, personalization, chip-proof, quality] }
`;
    expect(parseLine(desk, "desk.yaml").stations[0]?.does).toHaveLength(6);
  });

  test("engravers that take files: a folder a head, paths from the line file's own folder", () => {
    const desk = text("examples/lines/desk-laser.yaml");
    const [station] = parseLine(desk, "/lines/desk.yaml").stations;
    expect(station?.engraver).toMatchObject({
      format: "gcode",
      folders: ["/lines/spool"],
      settings: "/lasers/gantry.yaml",
      withinSeconds: 60,
    });
    const codes = (from: string | RegExp, to: string): string => told(desk.replace(from, to)).join();
    expect(codes("folder: spool", "folder: [spool, other]")).toContain("heads-and-engravers");
    expect(codes("folder: spool", "folder: [spool, spool]")).toContain("folder-twice");
    expect(codes("format: gcode", "format: gcode, command: [burn]")).toContain("no-file");
    expect(codes("format: gcode", "format: svg")).not.toBe("");
    expect(codes(/transport: .*/, "transport: { kind: simulated-carousel, moveMs: 0 }")).toContain(
      "no-plastic",
    );
  });

  test("an embosser in another room takes trays: fifty cards, two of them, and no smaller bin; at a desk each card goes by itself", () => {
    const far =
      'embosser: { remote: "10.0.7.2:7443", station: room, ca: a.pem, cert: b.pem, key: c.pem, crl: d.crl }';
    const visual = (source: string) =>
      parseLine(source, "/lines/line.yaml").stations.find(({ name }) => name === "visual");
    const timed = good.replace("embosser: simulated", far).replace(/mode: \w+/, "mode: timed");
    expect(visual(timed)?.embosser).toMatchObject({ cards: 50, trays: 2, crl: "/lines/d.crl" });
    expect(sendsTrays(parseLine(timed, "line.yaml"))).toBe(true);
    const single = timed.replace("crl: d.crl", "crl: d.crl, cards: 1");
    expect(sendsTrays(parseLine(single, "line.yaml"))).toBe(false);
    expect(told(timed.replace("crl: d.crl", "cards: 501")).join()).toContain("bad-value");
    // All that lies in the trays may end in a bin.
    const bin = (size: number, source: string): string =>
      told(source.replace("moveMs: 400", `moveMs: 400, bins: { reject: ${String(size)} }`)).join();
    expect(bin(100, timed)).toContain("bin-too-small");
    expect(bin(100, single)).toBe("");
    const desk = text("examples/lines/desk-laser.yaml").replace(/embosser:\n( {6}.*\n)+/, `${far}\n`);
    expect(told(desk).join()).toContain("trays-at-a-desk");
    expect(told(desk.replace("crl: d.crl", "cards: 1")).join()).not.toContain("trays-at-a-desk");
  });

  test("machines that spoil cards are simulated ones that mark them", () => {
    const spoiling = good.replace("name: visual,", "name: visual, spoils: 3,");
    expect(parseLine(spoiling, "line.yaml").stations[5]?.spoils).toEqual({ percent: 3 });
    const some = good.replace("name: visual,", "name: visual, spoils: { percent: 2, kinds: [faint] },");
    expect(parseLine(some, "line.yaml").stations[5]?.spoils).toEqual({ percent: 2, kinds: ["faint"] });
    expect(told(good.replace("name: quality,", "name: quality, spoils: 3,")).join()).toContain(
      "nothing-to-spoil",
    );
    expect(told(good.replace("name: visual,", "name: visual, spoils: 0,"))).not.toEqual([]);
    expect(told(some.replace("kinds: [faint]", "kinds: [ugly]"))).not.toEqual([]);
  });

  test("a flaw of the printer is told from the engraver's", () => {
    const printed = good.replace("missing-line front name", "print look-alike back");
    expect(parseLine(printed, "line.yaml").stock[0]?.flaws.map(({ what }) => what)).toContain(
      "print look-alike back",
    );
  });

  test("faults come out as the virtual card knows them", () => {
    const source = good.replace(
      'fault: { kind: dies-at, ins: "B0", nth: 1 }',
      'fault: { kind: wrong-atr, atr: "3B00" }',
    );
    const faults = parseLine(source, "line.yaml").stock[0]?.faults.map(({ what }) => what);
    expect(faults).toContainEqual({ kind: "wrong-atr", atr: Uint8Array.of(0x3b, 0x00) });
    expect(parseLine(good, "line.yaml").stock[0]?.faults.map(({ what }) => what)).toContainEqual({
      kind: "dies-at",
      ins: 0xb0,
      nth: 1,
    });
  });

  test.each([
    ["an unknown key", "mode: timed", "mode: timed\ncolour: red", "colour", "unknown-key"],
    ["an unknown mode", "mode: timed", "mode: fast", "mode:", "not-allowed"],
    ["speed without waiting", "mode: timed", "mode: ideal", "speed", "no-speed"],
    ["a missing station", /\n {2}- \{ name: chip-proof.*/, "", "stations:", "wrong-sequence"],
    ["two of a name", "name: completion", "name: electrical-test", "completion", "twice"],
    ["a name that says nothing", "name: completion,", "name: oven,", "oven", "no-work"],
    [
      "marks without a marker",
      ", engraver: simulated, embosser: simulated",
      "",
      "name: visual",
      "no-engraver",
    ],
    ["pictures without camera", ", camera: simulated", "", "name: quality", "no-camera"],
    [
      "a bin smaller than the machine",
      "moveMs: 400 ",
      "moveMs: 400, bins: { reject: 26 } ",
      "bins",
      "bin-too-small",
    ],
    ["a bin nobody knows", "moveMs: 400 ", "moveMs: 400, bins: { floor: 99 } ", "floor", "unknown-key"],
    ["no heads", "completion, heads: 2", "completion, heads: 0", "completion", "bad-value"],
    ["an unknown fault", "kind: dead", "kind: tired", "tired", undefined],
    ["a flaw nobody knows", "missing-line front name", "ugly", "ugly", "bad-value"],
    ["an instruction without quotes", 'ins: "B0"', "ins: 60", "ins: 60", "unquoted"],
    ["more faults than blanks", "count: 160", "count: 5", "count: 5", "too-many-faults"],
  ])("%s is told with its place", (_what, from, to, at, code) => {
    const source = good.replace(from, to);
    expect(source).not.toBe(good);
    const all = told(source);
    const line = source.includes(at) ? lineOf(source, at) : lineOf(good, at);
    const first = all.find((one) => code === undefined || one.endsWith(` ${code}`));
    expect(all.join(", ")).not.toBe("");
    expect(Number(first?.split(":")[0])).toBe(line);
  });
});

describe("live cards", () => {
  const folder = fileURLToPath(new URL("../../../../examples/lines/", import.meta.url));
  const refusal = (name: string, source: string): string | undefined => {
    try {
      parseLine(source, name, { environment: "live" });
      return undefined;
    } catch (problem) {
      if (!(problem instanceof DataProblem)) throw problem;
      return problem.message;
    }
  };
  const example = (name: string): string => readFileSync(`${folder}${name}`, "utf8");
  /** From 1. */
  const rowOf = (source: string, begins: string): number =>
    source.split("\n").findIndex((row) => row.trimStart().startsWith(begins)) + 1;

  test("are refused by each line of the examples that simulates anything, at its place, with what to do; by no other", () => {
    const real = ["desk-laser.yaml", "desk.yaml"];
    const accepted = readdirSync(folder).filter((name) => refusal(name, example(name)) === undefined);
    expect(accepted).toEqual(real);
    expect(refusal("vpcd.yaml", example("desk-vpcd.yaml"))).toContain(
      "this line simulates the reader of desk (a port for virtual cards); ",
    );
    const carousel = example("carousel.yaml");
    const row = rowOf(carousel, "transport:");
    expect(row).toBeGreaterThan(0);
    const told = refusal("carousel.yaml", carousel) ?? "";
    expect(told).toMatch(
      new RegExp(`^carousel\\.yaml:${String(row)}:\\d+ transport: the order is for live cards`),
    );
    expect(told).toMatch(
      /this line simulates the transport \(simulated-carousel\) with its virtual cards, the reader of .* and \d+ more of its devices; .*examples\/lines\/desk\.yaml.* --line .*environment: test/,
    );
    expect(told.split("\n")).toHaveLength(1);
  });

  test("one simulated device beside real ones is enough, and is the one that is named; the same line makes test cards", () => {
    const laser = example("desk-laser.yaml");
    const source = laser.replace(/camera: .*/, "camera: simulated");
    expect(source).not.toBe(laser);
    expect(refusal("mixed.yaml", source)).toMatch(
      new RegExp(
        `^mixed\\.yaml:${String(rowOf(source, "camera:"))}:\\d+ stations\\.0\\.camera: .* this line simulates the camera of desk; `,
      ),
    );
    expect(parseLine(source, "mixed.yaml", { environment: "test" }).line).toBe("desk-laser");
    expect(parseLine(source, "mixed.yaml").line).toBe("desk-laser");
  });
});
