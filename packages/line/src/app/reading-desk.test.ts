/** Whatever becomes of the reader, a card's verdict, its picture and its line are what they are without it. */
import type { Serial } from "@persoline/card/program";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type FaceVerdict, simulatedLimits } from "../stations/quality/index.js";
import { DriftWatch } from "../stations/quality/index.js";
import type { FacesVerdict, JudgeFaces } from "../stations/station.js";
import type { FacesDesk } from "./faces.js";
import { judgedSides } from "./judged-sides.js";
import { judgedBy } from "./marks.js";
import { type ReadingDesk, readingDesk } from "./reading-desk.js";
import type { ReadingTask } from "./reading-protocol.js";

vi.setConfig({ testTimeout: 30_000 });

const worker = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);
const answering = (code: string): URL =>
  worker(
    `import { parentPort } from "node:worker_threads"; let asked = 0; parentPort.on("message", () => { asked++; ${code} });`,
  );
const says = (byte: string): string =>
  `parentPort.postMessage({ ok: true, read: { overlay: Uint8Array.of(${byte}) } });`;
const misbehaving = {
  hangs: answering("for (;;);"),
  "never answers": answering(""),
  throws: answering('throw new Error("Ann Li");'),
  "does not start": worker('throw new Error("no engine");'),
  ends: answering("process.exit(0);"),
  "says that it failed": answering("parentPort.postMessage({ ok: false });"),
};
const good = answering(says("7, asked"));

const desks: ReadingDesk[] = [];
const deskOf = (file: URL, ms = 1500): ReadingDesk => {
  const desk = readingDesk({ ms, file });
  desks.push(desk);
  return desk;
};
afterEach(async () => {
  for (const desk of desks.splice(0)) await desk.close();
});

const serial = "504C0000000000000001" as Serial;
const plain = Uint8Array.of(1);
const task = { face: { side: "front", fields: [] } } as unknown as ReadingTask;
const settings = { ms: 10_000 };

function kept(desk: ReadingDesk) {
  const pictures: string[] = [];
  const seal = (of: Serial, side: string, jpeg: Uint8Array): Promise<void> => {
    pictures.push(`${of === serial ? "" : of}${side} ${jpeg.join(" ")}`);
    return Promise.resolve();
  };
  return { sides: judgedSides(desk, seal, settings.ms), pictures };
}

describe("the desk", () => {
  test("answers one after another", async () => {
    const desk = deskOf(good);
    expect(await Promise.all([desk.read(task), desk.read(task)])).toEqual([
      { overlay: Uint8Array.of(7, 1) },
      { overlay: Uint8Array.of(7, 2) },
    ]);
  });
  test.each(Object.entries(misbehaving))(
    "a reader that %s is given up, once and for all",
    async (_, file) => {
      const desk = deskOf(file);
      expect(await desk.read(task)).toBeUndefined();
      const again = performance.now();
      expect(await desk.read(task)).toBeUndefined();
      expect(performance.now() - again).toBeLessThan(1000);
    },
  );
});

describe("a side that did not pass", () => {
  test("is kept at once, and once more with what it says", async () => {
    const { sides, pictures } = kept(deskOf(good));
    await sides.keep(serial, "front", { overlay: plain, task });
    expect(pictures).toEqual(["front 1"]);
    await sides.settled();
    expect(pictures).toEqual(["front 1", "front 7 1"]);
  });
  test("that was judged again shows its newest judgement, whenever the older one is read", async () => {
    const { sides, pictures } = kept(deskOf(good));
    await sides.keep(serial, "front", { overlay: plain, task });
    await sides.keep(serial, "front", { overlay: Uint8Array.of(2), task });
    await sides.settled();
    expect(pictures).toEqual(["front 1", "front 2", "front 7 2"]);
  });
  test("is read for as many sides as the report shows", async () => {
    const { sides, pictures } = kept(deskOf(good));
    for (let card = 0; card < 20; card++)
      await sides.keep(String(card) as Serial, "back", { overlay: plain, task });
    await sides.settled();
    expect(pictures.filter((one) => / 7 /.test(one))).toHaveLength(16);
    expect(pictures.filter((one) => one.endsWith("back 1"))).toHaveLength(20);
  });
  test("is not written any more when the order's key may be gone", async () => {
    const { sides, pictures } = kept(deskOf(answering(`setTimeout(() => { ${says("7")} }, 300);`)));
    await sides.keep(serial, "front", { overlay: plain, task });
    await sides.close();
    await sides.settled();
    expect(pictures).toEqual(["front 1"]);
  });
});

describe("the verdict", () => {
  const wrong: FaceVerdict = {
    verdict: "reject",
    findings: [
      {
        field: "name",
        what: "wrong-glyph",
        measured: 0.8,
        limit: 0.3,
        unit: "share",
        box: { x: 1, y: 2, width: 3, height: 4 },
        weight: "reject",
      },
    ],
    measures: [{ field: "name", kind: "text", dx: 0, dy: 0, ink: 1, correlation: 0.4, worst: 0.8 }],
  };
  const judged = async (keepJudged: Parameters<typeof judgedBy>[0]["keepJudged"]): Promise<FacesVerdict> => {
    const straight = { width: 1, height: 1, grey: new Uint8Array(1) };
    const faces = {
      do: () => Promise.resolve([{ verdict: wrong, overlay: plain, straight }]),
      close: () => Promise.resolve(),
    } as unknown as FacesDesk;
    const judge = judgedBy({
      faces,
      chip: "front",
      relief: { camera: false, machine: false },
      profiles: new Map([["camera", { front: simulatedLimits }]]),
      keepJudged,
      watch: new DriftWatch(),
    });
    return judge({
      prepared: { faces: [{ side: "front", fields: [] }], emboss: [] },
      marks: [{ kind: "raster", side: "front" }],
      pictures: { front: {} },
      camera: "camera",
      serial,
    } as unknown as Parameters<JudgeFaces>[0]);
  };
  test.each([["reads", good] as const, ...Object.entries(misbehaving)])(
    "is the same beside a reader that %s, and waits for none",
    async (_, file) => {
      const without = await judged(() => Promise.resolve());
      const { sides, pictures } = kept(deskOf(file, 5000));
      const began = performance.now();
      expect(await judged((...side) => sides.keep(...side))).toEqual(without);
      expect(performance.now() - began).toBeLessThan(2500);
      expect(without.kind).toBe("rejected");
      expect(pictures[0]).toBe("front 1");
    },
  );
});
