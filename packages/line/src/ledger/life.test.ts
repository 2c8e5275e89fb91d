import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { agree, difference, invariant, noBlanks } from "./balance.js";
import {
  blankMoves,
  blankStates,
  endOf,
  furtherStage,
  moveBlank,
  moveOrder,
  moveRecord,
  orderMoves,
  recordMoves,
  stages,
  type BlankEvent,
} from "./life.js";
import { rehearse } from "./rehearsal.test.data.js";
import type { BlankState, Totals } from "./types.js";

describe("every allowed move leads where it should, every other one is refused", () => {
  const blankEvents = Object.keys(blankMoves) as BlankEvent[];
  const cases = blankEvents.flatMap((event) => blankStates.map((state) => [event, state] as const));
  test.each(cases)("blank: %s of a card that is %s", (event, state) => {
    const { from, to } = blankMoves[event];
    // What is bound can be neither restocked nor returned; what is unbound cannot be good.
    const go = (): BlankState =>
      moveBlank(event, { state, stage: "bound", bound: event !== "restock" && event !== "return" }, "card 1");
    const went = (): string => {
      try {
        return go();
      } catch (error) {
        return String(error);
      }
    };
    expect(went()).toMatch(from.includes(state) ? to : /card 1 is .*nothing was changed/);
  });

  test("the table says what the design says", () => {
    const leaving = (state: BlankState): string[] =>
      blankEvents
        .filter((event) => blankMoves[event].from.includes(state))
        .map((event) => blankMoves[event].to);
    expect(leaving("rejected")).toEqual(["destroyed"]);
    expect(leaving("destroyed")).toEqual([]);
    expect(leaving("returned")).toEqual([]);
    expect(leaving("sample")).toEqual(["destroyed"]);
    expect(leaving("good")).toEqual(["rejected"]);
    expect(leaving("in-stock").toSorted()).toEqual(["in-process", "returned", "sample"]);
  });

  test("records and orders", () => {
    expect(
      Object.values(recordMoves).every(({ from }) => !(from as readonly string[]).includes("erased")),
    ).toBe(true);
    expect(
      Object.values(orderMoves).every(({ from }) => !(from as readonly string[]).includes("erased")),
    ).toBe(true);
    expect(moveRecord("bind", "prepared", "record 1")).toBe("in-production");
    expect(() => moveRecord("deliver", "in-production", "record 1")).toThrow(/record 1 is in-production/);
    expect(moveOrder("close", "delivered", "order A")).toBe("closed");
    expect(() => moveOrder("close", "produced", "order A")).toThrow(/order A is produced/);
    expect(() => moveOrder("erase", "in-production", "order A")).toThrow(/imported or closed/);
  });
});

test("bound cards do not go back to stock and unbound ones are never good", () => {
  const card = { state: "in-process", stage: "bound" } as const;
  expect(() => moveBlank("restock", { ...card, bound: true }, "card 1")).toThrow(/cannot return to stock/);
  expect(() => moveBlank("pass", { ...card, bound: false }, "card 1")).toThrow(/cannot be good/);
  expect(() => moveBlank("return", { ...card, state: "held", bound: true }, "card 1")).toThrow(
    /cannot be returned; reject it/,
  );
});

test("a stage never goes back", () => {
  fc.assert(
    fc.property(fc.constantFrom(...stages), fc.constantFrom(...stages), (one, other) => {
      expect(stages.indexOf(furtherStage(one, other))).toBe(
        Math.max(stages.indexOf(one), stages.indexOf(other)),
      );
    }),
  );
  const facts = { state: "in-process", stage: "completed", bound: false } as const;
  expect(endOf({ kind: "restocked", stage: "tested" }, facts)).toEqual({
    event: "restock",
    stage: "completed",
  });
});

test("the invariant names what is missing, and a differing counter by its term", () => {
  const totals: Totals = { ...noBlanks, received: 10, inStock: 4, good: 6 };
  expect(difference(totals)).toBe(0);
  expect(() => invariant({ ...totals, good: 5 })).toThrow(/1 of 10 received blanks/);
  expect(() => invariant({ ...totals, held: 2 })).toThrow(/2 blanks too many/);
  expect(() => invariant({ ...totals, good: 7, held: -1 })).toThrow(/-1 cards held/);
  expect(() => agree(totals, { ...totals, good: 5, rejected: 1 })).toThrow(/"good" says 6.*say 5/);
});

test("100,000 random steps keep every rule", { timeout: 60_000 }, () => {
  const { done, refused, events } = rehearse(7, 100_000);
  expect(done).toBeGreaterThan(15_000);
  expect(refused).toBeGreaterThan(15_000);
  // Chance has been everywhere.
  expect(Object.keys(events).toSorted()).toEqual([...Object.keys(blankMoves), "bind"].toSorted());
});

test("the rehearsal can fail: a life cycle that lets rejects back is caught", () => {
  const from = blankMoves.restock.from as BlankState[];
  from.push("rejected");
  try {
    expect(() => rehearse(7, 100_000)).toThrow(/a rejected card became in-stock/);
  } finally {
    from.pop();
  }
});
