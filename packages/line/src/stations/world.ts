/** The three kinds of time a line can run on (design: all waiting goes through `World`). */
import { createHash, randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { World } from "@persoline/card/program";

const operatingSystemRandom = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/** The next turn of the event loop: timers, signals and answers of other processes get their say. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Real time. `speed` 10 lets a simulated line run ten times as fast as its clock shows; real devices need 1.
 * A timer counts whole milliseconds and wakes up to one later than it was told: it is told the whole ones only, so that waits are right on
 * average.
 */
export function realWorld({ speed = 1 }: { readonly speed?: number } = {}): World {
  return {
    now: () => performance.now() * speed,
    sleep: async (ms) => {
      const real = Math.floor(ms / speed);
      if (real > 0) await new Promise((resolve) => setTimeout(resolve, real));
      else await turn();
    },
    random: operatingSystemRandom,
    outside: (_ms, answer) => answer,
  };
}

/**
 * No waiting at all; the clock is the real one. A turn of the event loop is let through every ten milliseconds, or a line
 * whose cards never wait would see no signal and draw no table.
 */
export function idealWorld(): World {
  let lastTurn = performance.now();
  return {
    now: () => performance.now(),
    sleep: async () => {
      if (performance.now() - lastTurn < 10) return;
      lastTurn = performance.now();
      await turn();
    },
    random: operatingSystemRandom,
    outside: (_ms, answer) => answer,
  };
}

interface DueEvent {
  readonly at: number;
  readonly number: number;
  /** Settles once the answer from outside is there; absent for a sleep. */
  readonly answer: Promise<() => void> | undefined;
  readonly wake: () => void;
}

const before = (a: DueEvent, b: DueEvent): boolean => a.at < b.at || (a.at === b.at && a.number < b.number);

/** A binary heap: the earliest event first, ties by number. */
class Agenda {
  readonly #events: DueEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  add(event: DueEvent): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = events[parent];
      if (above === undefined || before(above, event)) break;
      events[at] = above;
      at = parent;
    }
    events[at] = event;
  }

  take(): DueEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = events[child];
      const right = events[child + 1];
      if (below !== undefined && right !== undefined && before(right, below)) {
        child++;
        below = right;
      }
      if (below === undefined || before(last, below)) break;
      events[at] = below;
      at = child;
    }
    events[at] = last;
    return first;
  }
}

/** Nothing is due, yet somebody waits: an answer from outside was awaited without `outside`, or two wait for each other. */
export class DeadTime extends Error {
  override readonly name = "DeadTime";
}

/** A seeded stream of bytes (SHA-256 in counter mode); never for secrets outside `test`. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let counter = 0;
  let left = new Uint8Array(0);
  return (length) => {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (left.length === 0) {
        left = new Uint8Array(
          createHash("sha256")
            .update(`${seed}/${String(counter++)}`)
            .digest(),
        );
      }
      const piece = left.subarray(0, length - filled);
      bytes.set(piece, filled);
      filled += piece.length;
      left = left.subarray(piece.length);
    }
    return bytes;
  };
}

export interface VirtualWorld extends World {
  /**
   * Runs `work` on virtual time until it has ended, and passes on how. The loop waits one `setImmediate`, takes the earliest event
   * (ties by number), awaits its answer if it has one, then moves the clock and wakes who waited for it.
   * Throws DeadTime when `work` waits and nothing is due. Not to be called while it runs.
   */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Virtual time: seeded, deterministic, as fast as the machine can think. `start` in milliseconds. */
export function virtualWorld({
  seed,
  start = 0,
}: {
  readonly seed: number;
  readonly start?: number;
}): VirtualWorld {
  const agenda = new Agenda();
  let clock = start;
  let number = 0;
  let running = false;

  async function drive(ended: () => boolean): Promise<void> {
    for (;;) {
      await turn();
      if (ended()) return;
      const event = agenda.take();
      if (event === undefined) throw new DeadTime("on virtual time everyone waits and nothing is due");
      const wake = event.answer === undefined ? event.wake : await event.answer;
      clock = event.at;
      wake();
    }
  }

  return {
    now: () => clock,
    sleep: (ms) =>
      new Promise((resolve) => {
        agenda.add({ at: clock + Math.max(0, ms), number: number++, answer: undefined, wake: resolve });
      }),
    random: seededRandom(`virtual world ${String(seed)}`),
    outside: (ms, answer) =>
      new Promise((resolve, reject) => {
        // Settled before it is due or after: who asked hears of it when it is due, good or bad.
        const settled = answer.then(
          (value) => () => {
            resolve(value);
          },
          (reason: unknown) => () => {
            reject(reason instanceof Error ? reason : new Error(String(reason)));
          },
        );
        agenda.add({ at: clock + Math.max(0, ms), number: number++, answer: settled, wake: () => {} });
      }),
    run: async (work) => {
      if (running) throw new Error("this virtual world is already running");
      running = true;
      try {
        let over = false;
        const result = work();
        const close = (): void => {
          over = true;
        };
        result.then(close, close);
        await drive(() => over);
        return await result;
      } finally {
        running = false;
      }
    },
  };
}
