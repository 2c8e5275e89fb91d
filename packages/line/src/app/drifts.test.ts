/** A run that was interrupted watches its cameras as one that was not. */
import type { Finding } from "@persoline/card/program";
import { expect, test } from "vitest";
import {
  type Drift,
  driftText,
  type FaceVerdict,
  type QualityLimits,
  simulatedLimits,
} from "../stations/quality/index.js";
import type { JudgeFaces } from "../stations/station.js";
import type { Store } from "../store/store.js";
import { allDrifts, watchOf } from "./drifts.js";
import type { FacesDesk } from "./faces.js";
import { judgedBy } from "./marks.js";

const camera = "carousel: quality camera 1";

/** A store of which only what was measured is asked. */
const accounts = (history: readonly Finding[]): Pick<Store, "reports"> => ({
  reports: {
    async *measured() {
      for (const one of history) yield await Promise.resolve(one);
    },
  } as unknown as Store["reports"],
});

/** An engraver whose field moves to the right by 6 µm a card. */
const verdictOf = (card: number): FaceVerdict => ({
  verdict: "pass",
  findings: [],
  measures: [{ field: "name", kind: "text", dx: 0.006 * card, dy: 0, ink: 1, correlation: 0.99, worst: 0.2 }],
});

/** Cards judged from one to another by a line that was just started; what it told, by card, and what went into the accounts. */
async function run(
  from: number,
  to: number,
  history: readonly Finding[],
  limits: QualityLimits = simulatedLimits,
): Promise<{ readonly told: readonly string[]; readonly history: readonly Finding[] }> {
  const told: string[] = [];
  let card = from;
  const faces = {
    do: () => Promise.resolve([{ verdict: verdictOf(card) }]),
    close: () => Promise.resolve(),
  } as unknown as FacesDesk;
  const judge = judgedBy({
    faces,
    chip: "front",
    relief: { camera: true, machine: false },
    profiles: new Map([[camera, { front: limits }]]),
    keepJudged: () => Promise.resolve(),
    watch: await watchOf(accounts(history), "T-1"),
    onDrift: (drift: Drift) => told.push(`${String(card)}: ${driftText(drift)}`),
  });
  const face = { side: "front", fields: [] };
  const asked = {
    prepared: { faces: [face], emboss: [] },
    marks: [{ kind: "raster", side: "front" }],
    pictures: { front: {} },
    camera,
    serial: "01",
  } as unknown as Parameters<JudgeFaces>[0];
  const all = [...history];
  for (; card <= to; card++) all.push(...(await judge(asked)).findings);
  return { told, history: all };
}

test("a drift is told at the very card at which a line without interruption tells it, and once", async () => {
  const whole = await run(1, 60, []);
  expect(whole.told).toHaveLength(1);
  const at = Number(whole.told[0]?.split(":")[0]);
  expect(at).toBeGreaterThan(12);
  for (const cut of [5, at - 2, at]) {
    const first = await run(1, cut, []);
    const second = await run(cut + 1, 60, first.history);
    expect([...first.told, ...second.told]).toEqual(whole.told);
    const drifts = (history: readonly Finding[]) => allDrifts(accounts(history) as Store, "T-1");
    expect(await drifts(second.history)).toEqual(await drifts(whole.history));
  }
});

test("under another profile the averages begin anew: its ink and glyphs are measured by other limits", async () => {
  const first = await run(1, 20, []);
  const other = { ...simulatedLimits, fullInk: 0.7 };
  const second = await run(21, 29, first.history, other);
  expect(second.told).toEqual([]);
  const third = await run(30, 30, second.history, other);
  // Its tenth card.
  expect(third.told).toHaveLength(1);
});
