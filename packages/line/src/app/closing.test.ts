import { expect, test } from "vitest";
import { closingAll } from "./closing.js";

test("what was opened is closed, last first, when the work is done", async () => {
  const told: string[] = [];
  const answer = await closingAll(async ({ add }) => {
    const one = add("one", (name) => told.push(name));
    await Promise.resolve();
    add("two", (name) => Promise.resolve(told.push(name)));
    return `${one} done`;
  });
  expect([answer, ...told]).toEqual(["one done", "two", "one"]);
});

test("when the work fails, and when a closing fails, all the others are closed, and the first failure is told", async () => {
  const told: string[] = [];
  const failing = (work: () => void) =>
    closingAll(async ({ add }) => {
      add("one", (name) => told.push(name));
      add("two", () => Promise.reject(new Error("cannot be closed")));
      await Promise.resolve();
      work();
    });
  await expect(
    failing(() => {
      throw new Error("the work");
    }),
  ).rejects.toThrow("the work");
  await expect(failing(() => undefined)).rejects.toThrow("cannot be closed");
  expect(told).toEqual(["one", "one"]);
});
