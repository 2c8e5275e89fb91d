/** PC/SC asked while readers come and go, one moment after the other. */
import type { Reader, ReaderState } from "smartcard";
import { expect, test } from "vitest";
import { connected, readersOf, stateOf } from "./look.js";

const named = (name: string): Reader => ({ name, connect: () => Promise.reject(new Error("not here")) });
/** A service that has these readers at each question, one list after the other; "grows" where one comes in mid-question. */
function service(...lists: (readonly string[] | "grows")[]) {
  let now: readonly string[] = [];
  let asked = 0;
  return {
    asked: () => asked,
    listReaders: (): Reader[] => {
      asked++;
      const next = lists.shift() ?? now;
      if (next === "grows") throw new Error("Insufficient buffer");
      now = next;
      return next.map(named);
    },
    waitForChange: ([one]: readonly { readonly name: string }[]): Promise<ReaderState[]> => {
      // What was listed a moment ago may be gone.
      const next = lists[0];
      if (next !== undefined && next !== "grows" && !next.includes(one?.name ?? ""))
        return Promise.reject(new Error("Unknown reader"));
      return Promise.resolve([{ name: one?.name ?? "", state: 0x20, atr: Buffer.of(0x3b, 0x00) }]);
    },
  };
}

test("a reader that is plugged in while the list is asked for: it is asked again", () => {
  const pcsc = service("grows", "grows", ["A", "B"]);
  expect(readersOf(pcsc).map(({ name }) => name)).toEqual(["A", "B"]);
  expect(pcsc.asked()).toBe(3);
});

test("a list that never stops growing is an end in finite time, and any other failure is told at once", () => {
  const growing = service(...Array.from({ length: 100 }, () => "grows" as const));
  expect(() => readersOf(growing)).toThrow("Insufficient buffer");
  expect(growing.asked()).toBeLessThan(20);
  let asked = 0;
  const stopped = {
    listReaders: (): Reader[] => {
      asked++;
      throw new Error("PC/SC service not running");
    },
  };
  expect(() => readersOf(stopped)).toThrow("not running");
  expect(asked).toBe(1);
});

test("a reader that leaves between the list and the look at it is left out, and the others are told", async () => {
  const pcsc = service(["A", "B", "C"], ["A", "C"]);
  expect(await connected(pcsc)).toEqual(
    ["A", "C"].map((name) => ({ name, card: "present", atr: Uint8Array.of(0x3b, 0x00) })),
  );
  expect(await stateOf(pcsc, { name: "B" })).toBeUndefined();
});

test("any other failure of a look is told", async () => {
  const broken = {
    listReaders: (): Reader[] => [named("A")],
    waitForChange: () => Promise.reject(new Error("PC/SC service stopped")),
  };
  await expect(connected(broken)).rejects.toThrow("stopped");
});
