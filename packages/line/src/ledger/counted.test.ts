import { expect, test } from "vitest";
import { counted } from "./counted.js";

test("one of a thing is told as one", () => {
  expect([0, 1, 2].map((count) => counted(count, "record"))).toEqual(["0 records", "1 record", "2 records"]);
  expect([0, 1, 2].map((count) => counted(count, "person", "people"))).toEqual([
    "0 people",
    "1 person",
    "2 people",
  ]);
});
