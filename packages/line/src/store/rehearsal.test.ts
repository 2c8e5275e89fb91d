import { expect, test } from "vitest";
import { AccountsProblem } from "../ledger/problem.js";
import { chance } from "../ledger/rehearsal.test.data.js";
import type { CardEnd } from "../ledger/types.js";
import { blanks, history, importAsk, label, passed, rejected, serial, store } from "./sample.test.data.js";

test("whatever is asked in whatever order, the counters are what a recount finds", {
  timeout: 60_000,
}, async () => {
  const s = await store({ attempts: 3 });
  const pick = chance(11);
  const cards = 30;
  await s.stock.receive({ lot: "L1", blanks: blanks(cards), by: "Ada" });
  await s.orders.import(importAsk(14));
  const ends: readonly CardEnd[] = [
    { kind: "good" },
    rejected(),
    rejected(false),
    { kind: "held", station: "quality", question: "?" },
    { kind: "restocked", stage: "tested" },
  ];
  const people = { reason: "x", by: "Ada", witness: "Bo" };
  const rejects = new Set<string>();
  let refused = 0;
  for (let step = 0; step < 500; step++) {
    const number = 1 + pick(cards);
    const card = serial(number);
    const deeds: readonly (() => Promise<unknown>)[] = [
      () => s.accounts.start({ label: label(number), order: "A-1", line: "carousel" }),
      () => s.accounts.bind({ serial: card, order: "A-1" }),
      () => s.accounts.bind({ serial: card, order: "A-1" }),
      () =>
        s.accounts.finish({
          serial: card,
          end: ends[pick(ends.length)] ?? { kind: "good" },
          history: passed,
        }),
      () => s.accounts.finish({ serial: card, end: { kind: "good" }, history }),
      () =>
        s.stock.settle({
          serial: card,
          verdict: pick(2) === 0 ? "good" : pick(3) === 0 ? "return" : "reject",
          ...people,
        }),
      () => s.stock.withdraw({ serial: card, ...people }),
      () => s.stock.destroy({ serials: [card], ...people }),
      () => (pick(6) === 0 ? s.stock.sample({ serial: card, ...people }) : Promise.resolve()),
      () =>
        pick(8) === 0
          ? s.orders.giveUp({ order: "A-1", record: 1 + pick(14), ...people })
          : Promise.resolve(),
      () => s.orders.releaseRecord({ order: "A-1", record: 1 + pick(14), ...people }),
    ];
    try {
      await deeds[pick(deeds.length)]?.();
    } catch (error) {
      if (!(error instanceof AccountsProblem)) throw error;
      refused++;
    }
    const totals = await s.accounts.recount();
    expect(await s.accounts.totals()).toEqual(totals);
    const now = await s.stock.find(card);
    expect(rejects.has(card) && now?.state !== "rejected" && now?.state !== "destroyed").toBe(false);
    if (now?.state === "rejected") rejects.add(card);
    const { waiting, inProduction, produced, held, givenUp } = await s.accounts.progress("A-1");
    expect(waiting + inProduction + produced + held + givenUp).toBe(14);
  }
  expect(refused).toBeGreaterThan(100);
  expect((await s.accounts.totals()).good).toBeGreaterThan(0);
  expect((await s.reports.reconcile("A-1")).agree).toBe(true);
  expect(await s.audit.verify()).toMatchObject({ ok: true });
});
