import { expect, test } from "vitest";
import { troubleOf } from "./trouble.js";

test("an error without a name begins a new context before a command, and is never a card's fault", () => {
  const nameless = new Error("Unknown PC/SC error");
  for (const during of ["reset", "other"] as const)
    expect(troubleOf(nameless, during)).toMatchObject({ kind: "fault", fault: { code: "no-service" } });
  expect(troubleOf(nameless, "exchange")).toMatchObject({ kind: "fault", fault: { code: "refused" } });
});

test("a list of readers that is too long for its buffer is not the card's doing, an answer is", () => {
  const grown = new Error("Insufficient buffer");
  for (const during of ["reset", "other"] as const)
    expect(troubleOf(grown, during)).toMatchObject({ kind: "fault", fault: { code: "unplugged" } });
  expect(troubleOf(grown, "exchange").kind).toBe("silence");
});

test("in mid-command a card that leaves is silent; before one there is none", () => {
  const removed = new Error("Card was removed");
  expect(troubleOf(removed, "exchange").kind).toBe("silence");
  expect(troubleOf(removed, "reset").kind).toBe("no card");
});
