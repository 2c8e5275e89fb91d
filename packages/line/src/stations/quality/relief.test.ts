/** Raised characters before a camera: good ones pass and are measured, and whatever wheels do wrong is told by its own finding. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { simulatedCamera } from "../../devices/camera/simulated.js";
import { simulatedEngraver } from "../../devices/marker/simulated.js";
import { type RaisedLine, raiseLines } from "../../devices/shop-floor/faces.js";
import { wear, writeGround } from "../../devices/shop-floor/wear.js";
import type { EmbossLine } from "../../plan/types.js";
import { captureOf, ownFindings } from "./captures.test.data.js";
import { drawnCard, optionsOf, photographed, raisedLines, together } from "./cards.test.data.js";
import { decodePicture, type FaceVerdict, judgeFace } from "./index.js";

// A capture is drawn, photographed and judged in about a second; a busy machine takes longer.
vi.setConfig({ testTimeout: 120_000 });

async function judgedCapture(
  ...[kind, severity, number]: Parameters<typeof captureOf>
): Promise<FaceVerdict> {
  const { card, jpeg, options } = await captureOf(kind, severity, number, "training");
  const picture = { ...(await decodePicture(jpeg)), side: card.face.side, frame: 1, takenAt: 0 };
  return judgeFace(picture, card.face, card.raster, options);
}

const world = { now: () => 0, sleep: () => Promise.resolve() };
const place = { at: "head", station: "visual", head: 0 } as const;

interface Struck {
  /** What the card's layout has. */
  readonly lines?: readonly EmbossLine[];
  /** What wheels really strike, of the card's lines. */
  readonly as?: (lines: readonly EmbossLine[]) => readonly RaisedLine[];
  readonly side?: "front" | "back";
  readonly must?: boolean;
  /** A scratch from there to there, mm. */
  readonly scratch?: readonly [number, number, number, number];
}

/** A payment card as a well kept line's camera sees it. */
async function paymentCard({
  lines = raisedLines("payment", 7),
  as = (meant) => meant,
  side = "front",
  must = true,
  scratch,
}: Struck = {}) {
  const body = mkdtempSync(join(tmpdir(), "persoline-relief-"));
  try {
    const card = await drawnCard("payment", side, 7);
    if (card.ground !== undefined) writeGround(body, side, together(card.ground));
    const at = { place, bodyAt: () => body, world, seed: "relief" };
    await simulatedEngraver({ name: "engraver", ...at }).mark(card.raster);
    await raiseLines(body, "front", as(lines), () => Promise.resolve());
    if (scratch !== undefined) {
      const [x, y, toX, toY] = scratch;
      wear(body, side, {
        damage: [{ kind: "scratch", from: [x, y], to: [toX, toY], width: 0.3, tone: 0.1 }],
      });
    }
    const picture = await simulatedCamera({ name: "camera", ...at }).capture(side);
    if (picture === "no-picture") throw new Error("the simulated camera saw nothing");
    const options = { ...optionsOf(card), raised: { lines, must } };
    return await judgeFace(picture, card.face, card.raster, options);
  } finally {
    rmSync(body, { recursive: true, force: true });
  }
}

const told = ({ findings }: FaceVerdict): string[] => [
  ...new Set(findings.map(({ field, what }) => `${field} ${what}`)),
];

describe("embossed cards", () => {
  test("good ones pass on both sides, topped with foil or not, and each line is measured at its place", async () => {
    for (let number = 0; number < 6; number++) {
      const { verdict, findings, measures } = await judgedCapture("emboss-good", "middle", number);
      expect([number, verdict, findings]).toEqual([number, "pass", []]);
      const raised = measures.filter(({ kind }) => kind === "raised");
      // On the back they are dents, which are not read.
      expect(raised.map(({ field }) => field)).toEqual(
        [["emboss-pan", "emboss-dates", "emboss-name"], ["emboss-name", "emboss-number"], ["emboss-name"]][
          number
        ] ?? [],
      );
      for (const { dx, dy, correlation, worst = 1 } of raised) {
        expect(Math.hypot(dx, dy)).toBeLessThan(0.15);
        expect(correlation).toBeGreaterThan(0.7);
        expect(worst).toBeLessThan(0.3);
      }
    }
  });
  test.each(["emboss-missing", "emboss-wrong-character", "emboss-look-alike", "emboss-shift"] as const)(
    "%s is found by its own finding, in its own line",
    async (kind) => {
      for (let number = 0; number < 3; number++) {
        const { verdict, findings } = await judgedCapture(kind, "middle", number);
        const own = findings.filter(
          ({ field, what }) => field.startsWith("emboss-") && ownFindings[kind].includes(what),
        );
        expect([number, verdict, own.length > 0]).toEqual([number, "reject", true]);
        expect(new Set(own.map(({ field }) => field)).size).toBe(1);
      }
    },
  );
});

test("a long name that ends close below an engraved text passes, whatever its last characters are", async () => {
  const card = await drawnCard("office-access", "front", 7);
  const [name, number] = raisedLines("office-access", 7);
  if (name === undefined || number === undefined) throw new Error("the office card has two raised lines");
  // The text's digits begin above the 21st character, 0.3 mm higher.
  const lines = [{ ...name, text: "SIGRUN AESA GUDMUNDSDOTTIR" }, number];
  const [picture] = await photographed([{ ...card, raised: lines }], [], "below a text");
  if (picture === undefined) throw new Error("no picture");
  const options = { ...optionsOf(card), raised: { lines, must: true } };
  const { findings, measures } = await judgeFace(picture, card.face, card.raster, options);
  expect(findings).toEqual([]);
  expect(measures.find(({ field }) => field === "emboss-name")?.worst).toBeLessThan(0.3);
});

describe("a payment card", () => {
  test("as it should be passes, in front and behind", async () => {
    expect(await paymentCard()).toMatchObject({ verdict: "pass", findings: [] });
    expect(await paymentCard({ side: "back" })).toMatchObject({ verdict: "pass", findings: [] });
  });
  test("without any raised character is rejected, unless its embosser strikes other plastic than this camera's", async () => {
    const missing = ["emboss-pan missing", "emboss-dates missing", "emboss-name missing"];
    expect(told(await paymentCard({ as: () => [] }))).toEqual(missing);
    expect(await paymentCard({ as: () => [], must: false })).toMatchObject({ verdict: "pass", findings: [] });
    // One line is there: then it is this plastic.
    expect(told(await paymentCard({ as: (lines) => lines.slice(0, 2), must: false }))).toEqual([missing[2]]);
  });
  test.each([
    ["0", "8"],
    ["1", "7"],
  ])("with a %s in its number struck as %s is rejected for that character alone", async (right, wrong) => {
    const number = "9999 0123 4567 8123";
    const numbered = (line: EmbossLine, text: string) => (line.font === "7B" ? { ...line, text } : line);
    const lines = raisedLines("payment", 7).map((line) => numbered(line, number));
    const verdict = await paymentCard({
      lines,
      as: (meant) => meant.map((line) => numbered(line, number.replace(right, wrong))),
    });
    const [line] = lines;
    const places = verdict.findings
      .filter(({ what }) => what === "wrong-glyph")
      .map(({ field, box }) => [
        field,
        Math.round((box.x + box.width / 2 - (line?.x ?? 0)) / (line?.pitch ?? 1)),
      ]);
    expect(places).toEqual([["emboss-pan", number.indexOf(right)]]);
  });
  test("with a character where its line has a space, or after its end, shows too much", async () => {
    const [pan] = raisedLines("payment", 7);
    const inSpace = await paymentCard({
      as: (lines) =>
        lines.map((line) => (line.font === "7B" ? { ...line, text: line.text.replace(" ", "4") } : line)),
    });
    expect(told(inSpace)).toContain("emboss-pan extra-ink");
    expect(pan?.text).toContain(" ");
    const longer = await paymentCard({
      as: (lines) =>
        lines.map((line) => (line.field === "emboss-name" ? { ...line, text: `${line.text}X` } : line)),
    });
    expect(told(longer)).toContain("emboss-name extra-ink");
  });
  test("with a line more than it should have is rejected for what nothing explains", async () => {
    const more = await paymentCard({
      as: (lines) => [...lines, { text: "4711 0815", font: "4B", x: 20, yFromBottom: 34, pitch: 2.54 }],
    });
    expect(more.verdict).toBe("reject");
    expect(told(more).some((one) => /^card (spot|scratch|stray-ink)$/.test(one))).toBe(true);
  });
  test("with a scratch across its raised number is rejected for the scratch", async () => {
    const hurt = await paymentCard({ scratch: [22, 27, 40, 36] });
    expect(told(hurt).some((one) => /^card (scratch|spot|stray-ink)$/.test(one))).toBe(true);
  });
});
