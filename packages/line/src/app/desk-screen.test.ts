import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { deskScreen } from "./desk-screen.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function opened(live: boolean) {
  const said: string[] = [];
  return { said, desk: deskScreen({ live, say: (text) => said.push(text) }) };
}

test("without a live screen what is waited for is said again each minute, until it is done", () => {
  const { said, desk } = opened(false);
  desk.tell("Insert the next card.");
  desk.awaits("Insert the next card.");
  expect(desk.open).toBe("Insert the next card.");
  vi.advanceTimersByTime(125_000);
  const first = [
    "Insert the next card.",
    "Still waiting (1:00): Insert the next card.",
    "Still waiting (2:00): Insert the next card.",
  ];
  expect(said).toEqual(first);
  desk.awaits(undefined);
  expect(desk.open).toBeUndefined();
  vi.advanceTimersByTime(300_000);
  expect(said).toEqual(first);
});

test("what comes next is waited for from then on, and nothing after the end", () => {
  const { said, desk } = opened(false);
  desk.awaits("Insert the next card.");
  vi.advanceTimersByTime(59_000);
  desk.awaits("GOOD: Take card A out.");
  vi.advanceTimersByTime(60_000);
  expect(said).toEqual(["Still waiting (1:00): GOOD: Take card A out."]);
  desk.close();
  vi.advanceTimersByTime(300_000);
  expect(said).toHaveLength(1);
});

test("a live screen has it as a line with the time it takes, and repeats nothing", () => {
  const { said, desk } = opened(true);
  expect(desk.line()).toBeUndefined();
  desk.awaits("Insert the next card.");
  vi.advanceTimersByTime(69_900);
  expect(desk.line()).toBe("waiting 1:09  Insert the next card.");
  desk.awaits(undefined);
  expect(desk.line()).toBeUndefined();
  expect(said).toEqual([]);
});
