/**
 * The crash matrix: every command of the office programs × where the power of the host fails. What the journal had not yet made durable
 * is lost with it; what the card was told is not. Afterwards a new process knows the durable notes only.
 */
import { encodeCommand, type Response, statusWord } from "@persoline/card/apdu";
import {
  blankTiming,
  type CardChannel,
  type CardProgram,
  estimate,
  type Journal,
  type Note,
  type RunEnd,
} from "@persoline/card/program";
import { beforeAll, describe, expect, test } from "vitest";
import { after, Bench, contentBefore, laterTrouble, liveOnce, sameCard, stations } from "./life.test.data.js";

beforeAll(liveOnce);

/** Before it leaves; on its way; carried out, the answer lost; answered, not journalled; journalled. */
const points = ["before-send", "sent", "executed", "answered", "journalled"] as const;
type Point = (typeof points)[number];

class PowerCut extends Error {}

/** Notes become durable a few turns of the event loop after they were written, in order; a cut loses those that are not. */
class SlowJournal implements Journal {
  readonly durable: Note[] = [];
  #writing: Promise<void> = Promise.resolve();
  #cut = false;

  /** `honest`: a note's promise waits until it is durable. */
  constructor(readonly honest: boolean) {}

  write(note: Note): Promise<void> {
    const written = this.#writing.then(async () => {
      for (let turn = 0; turn < 3; turn++) await new Promise((next) => setImmediate(next));
      if (this.#cut) await new Promise(() => undefined);
      this.durable.push(note);
    });
    this.#writing = written;
    return this.honest ? written : Promise.resolve();
  }

  settled(): Promise<void> {
    return this.#writing;
  }

  cut(): void {
    this.#cut = true;
  }

  /** The segment whose intent has no outcome. */
  open(): Note | undefined {
    const last = this.durable.at(-1);
    return last?.event === "intent" ? last : undefined;
  }
}

interface Cut {
  readonly command: number;
  readonly point: Point;
}

/** One run that ends at the cut. Answers what it did too early: pages written while no durable note said that it would. */
async function untilCut(
  bench: Bench,
  program: CardProgram,
  journal: SlowJournal,
  cut: Cut,
): Promise<string[]> {
  const early: string[] = [];
  let sent = 0;
  let armed = false;
  let fell: (cut: PowerCut) => void = () => undefined;
  const power = new Promise<never>((_, reject) => {
    fell = reject;
  });
  const fall = (): Promise<never> => {
    journal.cut();
    fell(new PowerCut());
    return new Promise(() => undefined);
  };
  const send = (command: Parameters<typeof encodeCommand>[0]): Response => {
    const { pagesWritten } = bench.card.counters;
    const bytes = bench.card.transmit(encodeCommand(command)) ?? new Uint8Array(0);
    if (bench.card.counters.pagesWritten > pagesWritten && journal.open() === undefined) {
      early.push(`INS ${command.ins.toString(16)} wrote before its intent was durable`);
    }
    return { data: bytes.subarray(0, -2), sw: statusWord(((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0)) };
  };
  const channel: CardChannel = {
    exchange: async (commands) => {
      if (armed) return fall();
      const answers: Response[] = [];
      for (const { command, sw } of commands) {
        const here = sent++ === cut.command;
        if (here && (cut.point === "before-send" || cut.point === "sent")) return fall();
        const answer = send(command);
        if (here && cut.point === "executed") return fall();
        if (here) armed = true;
        answers.push(answer);
        if (!sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
      }
      if (armed && cut.point === "journalled") await journal.settled();
      return answers;
    },
  };
  const noting: Journal = {
    write: (note) => {
      if (!armed) return journal.write(note);
      if (cut.point === "answered") return fall();
      // The outcome is made durable; then the power fails.
      return journal.write(note).then(fall);
    },
  };
  if (bench.power() === "mute") throw new Error("the card is mute");
  await Promise.race([bench.run(program, { channel, journal: noting }), power]).catch((thrown: unknown) => {
    if (!(thrown instanceof PowerCut)) throw thrown;
  });
  journal.cut();
  return early;
}

/** What the next process does: it takes up the segment with an open intent, or asks from the first one on. */
function takenUp(bench: Bench, program: CardProgram, journal: SlowJournal): Promise<RunEnd> {
  const open = journal.open();
  if (journal.durable.length === 0) return bench.run(program);
  return bench.run(program, {
    resume:
      open === undefined
        ? { segment: 0, resumes: 0 }
        : { segment: open.segment, program: open.program, resumes: 0 },
  });
}

describe("power of the host lost at every command", () => {
  for (const [name, program] of stations) {
    const commands = estimate(program, blankTiming).apdus;
    test(`${name}: ${String(commands * points.length)} cuts, unsynced notes dropped, end with the same card`, async () => {
      for (let command = 0; command < commands; command++) {
        for (const point of points) {
          const where = `${name}, command ${String(command)}, ${point}`;
          const bench = new Bench(contentBefore(name));
          const journal = new SlowJournal(true);
          const early = await untilCut(bench, program, journal, { command, point });
          const end = await takenUp(bench, program, journal);
          const told = end.kind === "rejected" ? end.detail : end.kind;
          const different = sameCard(after(name), bench.store.load());
          const later = await laterTrouble(bench, name);
          expect([where, ...early, told, ...different, ...later]).toEqual([where, "passed"]);
          expect(end.resumes).toBeLessThanOrEqual(1);
        }
      }
    });
  }

  test("a journal that promises what it has not written is found out", async () => {
    const early: string[] = [];
    for (const [name, program] of stations) {
      const bench = new Bench(contentBefore(name));
      const cut: Cut = { command: estimate(program, blankTiming).apdus - 1, point: "executed" };
      early.push(...(await untilCut(bench, program, new SlowJournal(false), cut)));
    }
    expect(early.length).toBeGreaterThan(20);
  });
});
