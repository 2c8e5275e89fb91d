import { unhex } from "@persoline/card/bytes";
import { blankTiming, completedTiming, estimate } from "@persoline/card/program";
import type { RunEnd } from "@persoline/card/program";
import { beforeAll, describe, expect, test } from "vitest";
import { compile } from "./compile.js";
import {
  after,
  Bench,
  contentBefore,
  image,
  laterTrouble,
  liveOnce,
  office,
  ReaderFailed,
  record,
  sameCard,
  stations,
} from "./life.test.data.js";
import type { Trouble } from "./life.test.data.js";
import { prepare } from "./prepare.js";

beforeAll(liveOnce);

describe("trouble at every command", () => {
  for (const [name, program] of stations) {
    const commands = estimate(program, blankTiming).apdus;
    const cases = Array.from({ length: commands }, (_, command) =>
      (["command", "answer"] as const).flatMap((lost) =>
        (["mute", "fault"] as const).map((how): Trouble => ({ command, lost, how })),
      ),
    ).flat();

    test(`${name}: ${cases.length} interruptions end with the same card, no try lost`, async () => {
      for (const trouble of cases) {
        const bench = new Bench(contentBefore(name));
        bench.trouble = trouble;
        let end: RunEnd | undefined;
        try {
          end = await bench.run(program);
        } catch (thrown) {
          if (!(thrown instanceof ReaderFailed)) throw thrown;
        }
        // A process that begins anew knows the journal only; a card mute before any change is seated again.
        const open = bench.notes.at(-1)?.event === "intent" ? bench.notes.at(-1) : undefined;
        if (end === undefined) {
          const resume =
            open === undefined ? undefined : { segment: open.segment, program: open.program, resumes: 0 };
          end = await bench.run(program, resume === undefined ? {} : { resume });
        } else if (end.kind === "rejected" && end.code === "mute" && !end.changed) {
          end = await bench.run(program);
        }
        const where = `${JSON.stringify(trouble)} of ${name}`;
        expect([where, end.kind === "rejected" ? end.detail : end.kind]).toEqual([where, "passed"]);
        expect([where, ...sameCard(after(name), bench.store.load())]).toEqual([where]);
        expect([where, ...(await laterTrouble(bench, name))]).toEqual([where]);
      }
    });
  }
});

test("two applications: the second one's files never land elsewhere, wherever its creation was interrupted", async () => {
  const { product } = office;
  const [df] = product.dfs;
  const holder = df?.files.find(({ name }) => name === "holder");
  if (df === undefined || holder === undefined) throw new Error("the office product has changed");
  const second = {
    ...df,
    name: "second",
    aid: unhex("A0000008760109"),
    fid: 0x7f11,
    files: [
      { ...holder, name: "first-extra", sfi: 1 },
      {
        ...holder,
        name: "second-extra",
        fid: 0x0202,
        sfi: 2,
        size: 64,
        content: { kind: "value", form: "twice" } as const,
      },
    ],
  };
  const chip = [...product.quality.chip, "first-extra", "second-extra"];
  const both = compile({ ...product, dfs: [df, second], quality: { ...product.quality, chip } }, image);
  const own = prepare(both, record, { order: "OF-26-1" });
  const commands = estimate(both.initialisation, completedTiming).apdus;
  for (let command = 0; command < commands; command++) {
    const bench = new Bench(contentBefore("initialisation"));
    bench.trouble = { command, lost: "answer", how: "mute" };
    let end = await bench.run(both.initialisation);
    if (!end.changed) end = await bench.run(both.initialisation);
    const ends = [end, await bench.run(own.personalization), await bench.run(own.proof)];
    expect([command, ...ends.map(({ kind }) => kind)]).toEqual([command, "passed", "passed", "passed"]);
  }
});

describe("power lost in the middle of every page write", () => {
  for (const [name, program] of stations.slice(1)) {
    const writes = estimate(program, blankTiming).pages;

    test(`${name}: ${writes} torn writes end with the same card, no try lost`, async () => {
      for (let write = 1; write <= writes; write++) {
        const bench = new Bench(contentBefore(name), [{ kind: "torn-at", write }]);
        const end = await bench.run(program).catch((thrown: unknown) => {
          // Torn at the reset itself: the next one goes on.
          if (thrown instanceof Error && thrown.message === "the card is mute") return bench.run(program);
          throw thrown;
        });
        const where = `write ${write} of ${name}`;
        expect([where, end.kind === "rejected" ? end.detail : end.kind]).toEqual([where, "passed"]);
        expect([where, ...sameCard(after(name), bench.store.load())]).toEqual([where]);
        expect([where, ...(await laterTrouble(bench, name))]).toEqual([where]);
      }
    });
  }
});
