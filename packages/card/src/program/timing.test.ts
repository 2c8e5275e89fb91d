import { expect, test } from "vitest";
import vectors from "../../vectors/timing.json" with { type: "json" };
import { blankTiming, type CardTiming, etuMicros, exchangeWire } from "./timing.js";

const exchanges = vectors.vectors.filter((vector) => vector.min_transmission_ms !== undefined);

test("there are vectors", () => {
  expect(exchanges.length).toBeGreaterThanOrEqual(4);
});

test.each(exchanges)("$id: the physical minimum of one exchange", (vector) => {
  const timing: CardTiming = {
    ...blankTiming,
    protocol: vector.protocol === "T=0" ? "T=0" : "T=1",
    clockHz: vector.clock_hz,
    fi: vector.Fi,
    di: vector.Di ?? 1,
    n: vector.N ?? 0,
    ifsc: vector.IFSC ?? 254,
  };
  const wire = exchangeWire(timing, 5 + (vector.nc ?? 0), (vector.ne ?? 0) + 2);
  expect(etuMicros(timing)).toBeCloseTo(vector.etu_us ?? 0, 4);
  expect(wire.micros / 1000).toBeCloseTo(vector.min_transmission_ms ?? 0, 3);
});

test("longer commands are chained, and each R-block is paid for", () => {
  const one = exchangeWire({ ...blankTiming, ifsc: 254 }, 245, 2);
  const two = exchangeWire({ ...blankTiming, ifsc: 128 }, 245, 2);
  // 4 characters of a second block, 4 of the R-block, two more changes of direction.
  expect(two.characters - one.characters).toBe(8);
  expect((two.micros - one.micros) / etuMicros(blankTiming)).toBeCloseTo(4 * 12 + 44 - 24 + 48, 6);
});
