import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Held } from "./held.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function table(most = 3) {
  const ended: string[] = [];
  let next = 1;
  const held = new Held<string>(() => next++, {
    what: "session",
    most,
    lifeMs: 60_000,
    end: (one) => ended.push(one),
  });
  return { held, ended };
}

test("what is held is given out until it is closed, and ended once", () => {
  const { held, ended } = table();
  const id = held.add("a");
  expect([held.get(id), held.get(id)]).toEqual(["a", "a"]);
  held.close(id);
  held.close(id);
  expect(ended).toEqual(["a"]);
  expect(() => held.get(id)).toThrow(/there is no session 1: it is closed/);
});

test("nothing is held longer than its life, though nobody asks any more; what is younger stays", () => {
  const { held, ended } = table();
  held.add("a");
  vi.advanceTimersByTime(40_000);
  const second = held.add("b");
  vi.advanceTimersByTime(19_999);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(2);
  expect(ended).toEqual(["a"]);
  expect(held.get(second)).toBe("b");
  vi.advanceTimersByTime(40_000);
  expect(ended).toEqual(["a", "b"]);
  expect(held.size).toBe(0);
  expect(() => held.get(second)).toThrow("more than 1 minutes ago");
  expect(vi.getTimerCount()).toBe(0);
});

test("no more than there is room for: what finds none is ended, and room comes back with age", () => {
  const { held, ended } = table(2);
  held.add("a");
  held.add("b");
  expect(() => held.add("c")).toThrow("2 sessions are open");
  expect(ended).toEqual(["c"]);
  vi.advanceTimersByTime(60_001);
  held.add("d");
  expect(ended).toEqual(["c", "a", "b"]);
});

test("cleared: all are ended, and nothing waits", () => {
  const { held, ended } = table();
  held.add("a");
  held.add("b");
  held.clear();
  expect(ended).toEqual(["a", "b"]);
  expect(vi.getTimerCount()).toBe(0);
});
