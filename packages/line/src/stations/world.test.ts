import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeadTime, idealWorld, realWorld, seededRandom, virtualWorld } from "./world.js";

interface Act {
  readonly kind: "sleep" | "outside" | "failing";
  readonly ms: number;
  /** Turns of the real event loop the outside answer takes: must not matter. */
  readonly late: number;
}

const act: fc.Arbitrary<Act> = fc.record({
  kind: fc.constantFrom("sleep", "outside", "failing"),
  ms: fc.nat(20),
  late: fc.nat(3),
});

async function later<T>(turns: number, end: () => T): Promise<T> {
  for (let at = 0; at < turns; at++) await new Promise((resolve) => setImmediate(resolve));
  return end();
}

/** Plays the scripts side by side and returns what happened, in order. */
async function play(scripts: readonly (readonly Act[])[], lateness: number): Promise<string[]> {
  const world = virtualWorld({ seed: 1, start: 100 });
  const log: string[] = [];
  const one = async (acts: readonly Act[], who: number): Promise<void> => {
    let expected = world.now();
    for (const [at, { kind, ms, late }] of acts.entries()) {
      expected += ms;
      const end = (): string => {
        if (kind === "failing") throw new Error("away");
        return "answered";
      };
      const told =
        kind === "sleep"
          ? await world.sleep(ms).then(() => "slept")
          : await world.outside(ms, later(late * lateness, end)).catch((problem: unknown) => String(problem));
      expect(told).toBe({ sleep: "slept", outside: "answered", failing: "Error: away" }[kind]);
      expect(world.now()).toBe(expected);
      log.push(`${String(world.now())} ${String(who)} ${kind} ${String(at)}`);
    }
  };
  await world.run(() => Promise.all(scripts.map(one)));
  return log;
}

describe("virtual time", () => {
  test("no event is lost, the clock never goes back, and the order does not depend on how late answers really come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(act, { maxLength: 6 }), { minLength: 1, maxLength: 5 }),
        async (scripts) => {
          const quick = await play(scripts, 0);
          const slow = await play(scripts, 2);
          expect(slow).toEqual(quick);
          expect(quick).toHaveLength(scripts.flat().length);
          const times = quick.map((line) => Number(line.split(" ")[0]));
          expect(times).toEqual([...times].sort((a, b) => a - b));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("equal times wake in the order they were asked for", async () => {
    const world = virtualWorld({ seed: 1 });
    const log: number[] = [];
    await world.run(async () => {
      const waits = Array.from({ length: 50 }, async (_, who) => {
        await world.sleep(who % 2 === 0 ? 5 : 3);
        log.push(who);
      });
      await Promise.all(waits);
    });
    const odd = Array.from({ length: 25 }, (_, at) => 2 * at + 1);
    const even = Array.from({ length: 25 }, (_, at) => 2 * at);
    expect(log).toEqual([...odd, ...even]);
  });

  test("an answer from outside waits until it is due, though it came long before", async () => {
    const world = virtualWorld({ seed: 1 });
    const log: string[] = [];
    await world.run(async () => {
      const outside = world.outside(10, Promise.resolve("answer")).then((text) => log.push(text));
      await world.sleep(9);
      log.push("nine");
      await outside;
    });
    expect(log).toEqual(["nine", "answer"]);
    expect(world.now()).toBe(10);
  });

  test("waiting with nothing due is an error, not a hang", async () => {
    const world = virtualWorld({ seed: 1 });
    const stuck = world.run(async () => {
      await world.sleep(3);
      await new Promise(() => {});
    });
    await expect(stuck).rejects.toThrow(DeadTime);
    expect(world.now()).toBe(3);
  });

  test("a failure of the work comes out of run, and the world can run again", async () => {
    const world = virtualWorld({ seed: 1 });
    const failing = world.run(async () => {
      await world.sleep(1);
      throw new Error("broken");
    });
    await expect(failing).rejects.toThrow("broken");
    await world.run(() => world.sleep(4));
    expect(world.now()).toBe(5);
  });

  test("the same seed gives the same bytes, another seed others, however they are cut", () => {
    const [a, b, c] = [seededRandom("x"), seededRandom("x"), seededRandom("y")];
    const whole = a(100);
    const pieces = new Uint8Array([...b(1), ...b(32), ...b(0), ...b(67)]);
    expect(pieces).toEqual(whole);
    expect(c(100)).not.toEqual(whole);
  });
});

describe("the other worlds", () => {
  test("an ideal world does not wait, and lets the event loop turn all the same", async () => {
    const world = idealWorld();
    const began = performance.now();
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    while (!turned && performance.now() - began < 2000) await world.sleep(60_000);
    expect(turned).toBe(true);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(await world.outside(60_000, Promise.resolve(7))).toBe(7);
  });

  test("real time waits, and at ten times the speed the clock shows what was asked", async () => {
    const world = realWorld({ speed: 10 });
    const began = performance.now();
    const shown = world.now();
    await world.sleep(200);
    expect(performance.now() - began).toBeGreaterThan(15);
    expect(performance.now() - began).toBeLessThan(150);
    expect(world.now() - shown).toBeGreaterThan(150);
  });
});
