import { describe, expect, test } from "vitest";
import { type Command, type Response, statusWord } from "../apdu/index.js";
import { type Run, type RunEnd, runProgram } from "./run.js";
import { type KeyRef, type SecureChannelSpec } from "./channel-spec.js";
import {
  type CardChannel,
  CardMute,
  type CardProgram,
  type Note,
  type SecurityModule,
  type Sent,
  type Serial,
  type SessionId,
  type Step,
} from "./types.js";

const OK = [{ value: 0x9000, mask: 0xffff }];
const reply = (sw: number, ...data: number[]): Response => ({
  sw: statusWord(sw),
  data: Uint8Array.from(data),
});

/** A card that answers by INS (last one stays), goes mute at "mute", and writes down what it got. */
class ScriptedCard {
  readonly got: string[] = [];
  readonly log: string[];
  #script: Map<string, (Response | "mute")[]>;

  constructor(script: Readonly<Record<string, (Response | "mute")[]>>, log: string[] = []) {
    this.#script = new Map(Object.entries(script).map(([name, answers]) => [name, [...answers]]));
    this.log = log;
  }

  channel(): CardChannel {
    return { exchange: (commands) => this.#exchange(commands) };
  }

  async #exchange(commands: readonly Sent[]): Promise<readonly Response[]> {
    const answers: Response[] = [];
    this.log.push(`exchange ${commands.length}`);
    for (const { command, sw } of commands) {
      const name = `${command.ins.toString(16)}${command.p1 === 0 ? "" : `/${command.p1}`}`;
      this.got.push(name);
      this.log.push(name);
      const list = this.#script.get(name) ?? [reply(0x9000)];
      const answer = (list.length > 1 ? list.shift() : list[0]) ?? reply(0x9000);
      if (answer === "mute") throw new CardMute(answers);
      answers.push(answer);
      if (!sw.some((pattern) => (answer.sw & pattern.mask) === pattern.value)) break;
    }
    return answers;
  }
}

/** Wraps nothing, so that the script sees plain commands; `cryptogram` and `macAt` let it judge the card badly. */
class ScriptedModule implements SecurityModule {
  readonly calls: string[] = [];
  readonly verdict: "right" | "wrong";
  readonly cryptogram: boolean;
  readonly macAt: number | undefined;

  constructor(how: { cryptogram?: boolean; macAt?: number; verdict?: "right" | "wrong" } = {}) {
    this.cryptogram = how.cryptogram ?? true;
    this.macAt = how.macAt;
    this.verdict = how.verdict ?? "right";
  }

  openSession(ask: { channel: SecureChannelSpec }) {
    this.calls.push("open");
    const kvn = ask.channel.protocol === "scp03" ? ask.channel.kvn : 0;
    const open: Command = { cla: 0x80, ins: 0x50, p1: kvn, p2: 0, le: 256 };
    return Promise.resolve({ session: 1 as SessionId, open });
  }

  authenticate(
    ask: Parameters<SecurityModule["authenticate"]>[0],
  ): ReturnType<SecurityModule["authenticate"]> {
    this.calls.push("authenticate");
    if (!this.cryptogram) {
      const wrong = { ok: false, code: "card-cryptogram", detail: "wrong card cryptogram" } as const;
      return Promise.resolve(wrong);
    }
    const commands = ask.steps.map(({ cla, ins, p1, p2 }) => ({ cla, ins, p1, p2 }));
    return Promise.resolve({
      ok: true as const,
      commands: [{ cla: 0x84, ins: 0x82, p1: 0, p2: 0 }, ...commands],
    });
  }

  unwrap(ask: Parameters<SecurityModule["unwrap"]>[0]) {
    this.calls.push("unwrap");
    const answers = ask.answers.map((answer) => ({ ...answer, verdict: this.verdict }));
    return Promise.resolve(
      this.macAt === undefined
        ? { ok: true as const, answers }
        : { ok: false as const, code: "response-mac" as const, at: this.macAt, answers },
    );
  }

  closeSession() {
    this.calls.push("close");
    return Promise.resolve();
  }

  openProof({ judges }: Parameters<SecurityModule["openProof"]>[0]) {
    this.calls.push(`challenges for ${judges.map(({ kid }) => kid).join()}`);
    return Promise.resolve({ proof: 7, challenges: judges.map(({ kid }) => new Uint8Array(16).fill(kid)) });
  }

  judgeProof({ proof, answers }: Parameters<SecurityModule["judgeProof"]>[0]) {
    this.calls.push(`proof ${proof}`);
    return Promise.resolve(
      answers.map((answer) => (answer[0] === 0xaa ? ("right" as const) : ("wrong" as const))),
    );
  }
}

const step = (ins: number, more: Partial<Step> = {}): Step => ({
  cla: 0,
  ins,
  p1: 0,
  p2: 0,
  data: [],
  sw: OK,
  again: "same",
  changes: false,
  why: `step ${ins.toString(16)}`,
  clause: "test",
  cost: { pages: 0 },
  ...more,
});

const cycle = (card: ScriptedCard) => () => Promise.resolve(card.channel());

const scp03 = { protocol: "scp03", keys: "fab" as KeyRef, kvn: 1, level: 0x33 } as const;

function around(program: CardProgram, card: ScriptedCard, more: Partial<Run> = {}) {
  const notes: Note[] = [];
  const run: Run = {
    program,
    station: "perso",
    serial: "00112233445566778899" as Serial,
    channel: card.channel(),
    hsm: new ScriptedModule(),
    journal: {
      write: (note) => {
        notes.push(note);
        // A later turn of the loop, so that nothing leaves before the note is durable by mere luck.
        return new Promise((done) =>
          setTimeout(() => {
            card.log.push(`durable ${note.event}`);
            done();
          }, 2),
        );
      },
    },
    world: {
      now: () => 0,
      sleep: () => Promise.resolve(),
      random: (length) => new Uint8Array(length),
      outside: (_ms, answer) => answer,
    },
    ...more,
  };
  return { run, notes, events: () => notes.map((note) => `${note.segment} ${note.event}`) };
}

const plain = (...steps: Step[]): CardProgram => ({
  name: "p",
  segments: [{ name: "s", channel: "plain", steps }],
});
const secure = (steps: Step[], done?: Step[]): CardProgram => ({
  name: "p",
  segments: [{ name: "s", channel: scp03, steps, ...(done === undefined ? {} : { done }) }],
});
const codeOf = (end: RunEnd): string => (end.kind === "rejected" ? end.code : end.kind);

describe("plain segments", () => {
  test("one message a segment; reading alone needs no journal", async () => {
    const card = new ScriptedCard({});
    const { run, notes } = around(plain(step(0xca), step(0xb0)), card);
    expect(await runProgram(run)).toEqual({ kind: "passed", changed: false, resumes: 0 });
    expect(card.log).toEqual(["exchange 2", "ca", "b0"]);
    expect(notes).toEqual([]);
  });

  test("no changing command leaves before its intent is durable; the outcome of a card that passed comes before whatever is noted next", async () => {
    const card = new ScriptedCard({});
    const { run } = around(plain(step(0x18, { changes: true })), card);
    expect(await runProgram(run)).toMatchObject({ kind: "passed", changed: true });
    expect(card.log).toEqual(["durable intent", "exchange 1", "18"]);
  });

  test("a failed outcome is durable at the end", async () => {
    const card = new ScriptedCard({ "18": [reply(0x6581)] });
    const { run } = around(plain(step(0x18, { changes: true })), card);
    expect(await runProgram(run)).toMatchObject({ kind: "rejected" });
    expect(card.log.at(-1)).toBe("durable failed");
  });

  test.each<[string, Response, Partial<Step>, string, string]>([
    [
      "an unexpected status word",
      reply(0x6d00),
      {},
      "command-refused",
      "step 18 (INS 18): the card answered 6D00, instruction not supported",
    ],
    ["its own code", reply(0x6581), { reject: "eeprom-fault" }, "eeprom-fault", "6581"],
    ["a memory failure", reply(0x6581), {}, "memory-failure", "6581"],
    [
      "other data",
      reply(0x9000, 1, 2),
      { answer: { value: Uint8Array.of(1, 3) } },
      "wrong-answer",
      "other bytes",
    ],
    [
      "short data",
      reply(0x9000, 1),
      { answer: { value: Uint8Array.of(1, 3) } },
      "wrong-answer",
      "1 bytes instead of 2",
    ],
  ])("rejects for %s", async (_, answer, more, code, detail) => {
    const card = new ScriptedCard({ "18": [answer] });
    const { run, events } = around(plain(step(0x18, { changes: true, ...more }), step(0xb0)), card);
    const end = await runProgram(run);
    expect(codeOf(end)).toBe(code);
    expect(end).toMatchObject({ detail: expect.stringContaining(detail) as string });
    expect(events()).toEqual(["0 intent", "0 failed"]);
  });

  test("compares under the mask only", async () => {
    const card = new ScriptedCard({ ca: [reply(0x9000, 0xcf, 0x77)] });
    const answer = { value: Uint8Array.of(0xcf, 0), mask: Uint8Array.of(0xff, 0) };
    expect(await runProgram(around(plain(step(0xca, { answer })), card).run)).toMatchObject({
      kind: "passed",
    });
  });

  test("a card mute before any change may be seated again", async () => {
    const card = new ScriptedCard({ ca: ["mute"] });
    const end = await runProgram(around(plain(step(0xca)), card).run);
    expect(end).toMatchObject({ kind: "rejected", code: "mute", changed: false });
  });

  test("a secret outside a session is a fault of the plan", async () => {
    const card = new ScriptedCard({});
    const { run } = around(plain(step(0x24, { data: [{ secret: "pin", pin: "pin", tries: 3 }] })), card);
    await expect(runProgram(run)).rejects.toThrow(TypeError);
    expect(card.got).toEqual([]);
  });
});

describe("secure sessions", () => {
  test("open, judge, then authenticate and all steps in one message", async () => {
    const card = new ScriptedCard({});
    const { run, events } = around(secure([step(0xd6, { changes: true }), step(0xd8)]), card);
    expect(await runProgram(run)).toMatchObject({ kind: "passed" });
    expect(card.log.filter((line) => line !== "durable intent")).toEqual([
      "exchange 1",
      "50/1",
      "exchange 3",
      "82",
      "d6",
      "d8",
    ]);
    expect(card.log.indexOf("durable intent")).toBeLessThan(card.log.indexOf("exchange 3"));
    expect(events()).toEqual(["0 intent", "0 done"]);
  });

  test("whoever opens the session is selected before, and again after an interruption", async () => {
    const before = [step(0xa4)];
    const led = (program: CardProgram): CardProgram => ({
      ...program,
      segments: program.segments.map((segment) => ({ ...segment, before })),
    });
    const card = new ScriptedCard({ d6: ["mute", reply(0x9000)], ca: [reply(0x6985)] });
    const channel = card.channel();
    const { run } = around(led(secure([step(0xd6, { changes: true })], [step(0xca)])), card, {
      powerCycle: () => Promise.resolve(channel),
    });
    expect(await runProgram(run)).toMatchObject({ kind: "passed", resumes: 1 });
    expect(card.got).toEqual(["a4", "50/1", "82", "d6", "ca", "a4", "50/1", "82", "d6"]);
    const other = new ScriptedCard({ a4: [reply(0x6a82)] });
    expect(codeOf(await runProgram(around(led(secure([step(0xd6)])), other).run))).toBe("command-refused");
    expect(other.got).toEqual(["a4"]);
  });

  test("a wrong card cryptogram: nothing that costs a try is sent", async () => {
    const card = new ScriptedCard({});
    const hsm = new ScriptedModule({ cryptogram: false });
    const { run, events } = around(secure([step(0xd6)]), card, { hsm });
    expect(codeOf(await runProgram(run))).toBe("card-cryptogram");
    expect(card.got).toEqual(["50/1"]);
    expect(events()).toEqual(["0 intent", "0 failed"]);
  });

  test("a refused INITIALIZE UPDATE closes the session", async () => {
    const card = new ScriptedCard({ "50/1": [reply(0x6983)] });
    const hsm = new ScriptedModule();
    const end = await runProgram(around(secure([step(0xd6)]), card, { hsm }).run);
    expect(end).toMatchObject({ code: "command-refused", detail: expect.stringContaining("6983") as string });
    expect(hsm.calls).toEqual(["open", "close"]);
  });

  test("a card that is silent at its authentication is asked once more, and no third time, seated again or not", async () => {
    for (const ins of ["50/1", "82"]) {
      const card = new ScriptedCard({ [ins]: ["mute"] });
      const { run, events } = around(secure([step(0xd6, { changes: true })]), card, {
        powerCycle: cycle(card),
      });
      expect(await runProgram(run)).toMatchObject({
        kind: "rejected",
        code: "mute",
        changed: true,
        detail: expect.stringContaining("silent 2 times") as string,
      });
      expect(card.got.filter((name) => name === ins)).toHaveLength(2);
      expect(events().at(-1)).toBe("0 failed");
    }
    const once = new ScriptedCard({ "50/1": ["mute", reply(0x9000)] });
    const { run } = around(secure([step(0xd6, { changes: true })]), once, { powerCycle: cycle(once) });
    expect(await runProgram(run)).toMatchObject({ kind: "passed", resumes: 1 });
  });

  const desfire = { protocol: "desfire", version: "ev2", aid: 1, keyNumber: 0, key: "default" } as const;
  /** As many passes as told, then the steps alone. */
  class ManyPasses extends ScriptedModule {
    constructor(readonly passes: number) {
      super();
    }
    override authenticate(
      ask: Parameters<SecurityModule["authenticate"]>[0],
    ): ReturnType<SecurityModule["authenticate"]> {
      const seen = this.calls.filter((call) => call === "authenticate").length;
      this.calls.push("authenticate");
      const pass = { cla: 0x90, ins: 0xe0 + seen, p1: 0, p2: 0 };
      if (seen < this.passes) return Promise.resolve({ ok: true as const, more: pass });
      const commands = ask.steps.map(({ cla, ins, p1, p2 }) => ({ cla, ins, p1, p2 }));
      return Promise.resolve({ ok: true as const, commands, opened: true as const });
    }
  }
  const native = (ins: number, more: Partial<Step> = {}) =>
    step(ins, { sw: [{ value: 0x9100, mask: 0xffff }], ...more });

  test("a protocol of more passes: each answer is judged, the steps alone go in one message behind a durable intent", async () => {
    const done = [reply(0x9100)];
    const card = new ScriptedCard({
      "50": done,
      e0: [reply(0x91af)],
      e1: done,
      d6: done,
      d8: done,
    });
    const hsm = new ManyPasses(2);
    const program = {
      name: "p",
      segments: [{ name: "s", channel: desfire, steps: [native(0xd6), native(0xd8)] }],
    };
    const { run } = around(program, card, { hsm });
    expect(await runProgram(run)).toMatchObject({ kind: "passed" });
    expect(card.log.filter((line) => line !== "durable intent")).toEqual([
      "exchange 1",
      expect.stringContaining("50") as string,
      "exchange 1",
      "e0",
      "exchange 1",
      "e1",
      "exchange 2",
      "d6",
      "d8",
    ]);
    expect(card.log.indexOf("durable intent")).toBeLessThan(card.log.indexOf("exchange 2"));
  });

  test("passes without end are the security module's mistake, and end", async () => {
    const card = new ScriptedCard({ "50": [reply(0x9100)] });
    const hsm = new ManyPasses(99);
    const program = { name: "p", segments: [{ name: "s", channel: desfire, steps: [native(0xd6)] }] };
    const end = await runProgram(around(program, card, { hsm }).run);
    expect(end).toMatchObject({
      code: "protocol-error",
      detail: expect.stringContaining("no end") as string,
    });
    expect(hsm.calls.at(-1)).toBe("close");
  });

  test.each<[string, ScriptedModule, Partial<Step>, string]>([
    ["a wrong response MAC", new ScriptedModule({ macAt: 0 }), {}, "response-mac"],
    [
      "a wrong proof",
      new ScriptedModule({ verdict: "wrong" }),
      { judge: { proof: "internal", keys: "a" as KeyRef, kid: 1 } },
      "proof-wrong",
    ],
  ])("rejects for %s", async (_, hsm, more, code) => {
    const { run } = around(secure([step(0x88, more)]), new ScriptedCard({}), { hsm });
    expect(codeOf(await runProgram(run))).toBe(code);
  });

  test("proofs outside of any session: the security module draws the challenges before, and judges the answers", async () => {
    const proving = (kid: number) =>
      step(0x88, {
        p2: kid,
        data: [{ secret: "challenge" }],
        judge: { proof: "internal", keys: "a" as KeyRef, kid },
      });
    const program = (...steps: Step[]): CardProgram => ({
      name: "p",
      segments: [{ name: "s", channel: "plain", steps }],
    });
    const hsm = new ScriptedModule();
    const right = new ScriptedCard({ "88": [reply(0x9000, 0xaa), reply(0x9000, 0xaa)] });
    const { run } = around(program(step(0xa4), proving(1), step(0xca), proving(2)), right, { hsm });
    expect(await runProgram(run)).toMatchObject({ kind: "passed" });
    expect(hsm.calls).toEqual(["challenges for 1,2", "proof 7"]);
    // The second key's answer is the wrong one.
    const wrong = new ScriptedCard({ "88": [reply(0x9000, 0xaa), reply(0x9000, 0xab)] });
    const end = await runProgram(around(program(proving(1), proving(2)), wrong).run);
    expect(end).toMatchObject({ kind: "rejected", code: "proof-wrong" });
    const without = new ScriptedCard({ "88": [reply(0x6a88)] });
    expect(codeOf(await runProgram(around(program(proving(1)), without).run))).toBe("command-refused");
  });

  test("a fault of a device goes through, leaves the intent open and closes the session", async () => {
    const hsm = new ScriptedModule();
    const broken: CardChannel = { exchange: () => Promise.reject(new Error("reader unplugged")) };
    const { run, events } = around(secure([step(0xd6)]), new ScriptedCard({}), { hsm, channel: broken });
    await expect(runProgram(run)).rejects.toThrow("reader unplugged");
    expect(events()).toEqual(["0 intent"]);
    expect(hsm.calls).toEqual(["open", "close"]);
  });

  test("a journal that fails keeps the changing command from leaving", async () => {
    const card = new ScriptedCard({});
    const journal = { write: () => Promise.reject(new Error("disk full")) };
    await expect(runProgram(around(secure([step(0xd6)]), card, { journal }).run)).rejects.toThrow(
      "disk full",
    );
    expect(card.got).toEqual(["50/1"]);
  });
});

describe("after an interruption", () => {
  const ask = step(0xca, { answer: { value: Uint8Array.of(1) } });
  const create = (ins: number): Step =>
    step(ins, {
      again: "probe",
      changes: true,
      probe: {
        ask: [step(0xa4, { p1: ins, answer: { value: Uint8Array.of(9) } })],
        absent: [{ value: 0x6a82, mask: 0xffff }],
      },
    });

  test("what is done is skipped", async () => {
    const card = new ScriptedCard({ ca: [reply(0x9000, 1)] });
    const { run, events } = around(secure([step(0xfe, { again: "never", changes: true })], [ask]), card, {
      resume: { segment: 0, resumes: 0 },
    });
    expect(await runProgram(run)).toMatchObject({ kind: "passed", resumes: 1 });
    expect(card.got).toEqual(["ca"]);
    expect(events()).toEqual(["0 done"]);
  });

  test("what is not done starts its session anew", async () => {
    const card = new ScriptedCard({ ca: [reply(0x9000, 0)] });
    const { run } = around(secure([step(0xfe, { again: "never", changes: true })], [ask]), card, {
      resume: { segment: 0, resumes: 0 },
    });
    expect(await runProgram(run)).toMatchObject({ kind: "passed" });
    expect(card.got).toEqual(["ca", "50/1", "82", "fe"]);
  });

  test("a step that nobody can ask about is never repeated", async () => {
    const card = new ScriptedCard({});
    const { run } = around(plain(step(0x20, { again: "never", changes: true })), card, {
      resume: { segment: 0, resumes: 0 },
    });
    expect(codeOf(await runProgram(run))).toBe("interrupted");
    expect(card.got).toEqual([]);
  });

  test("created files are not created again but selected, missing ones are created", async () => {
    const card = new ScriptedCard({ "a4/1": [reply(0x9000, 9)], "a4/2": [reply(0x6a82)] });
    const { run } = around(secure([create(1), create(2), step(0xd6)]), card, {
      resume: { segment: 0, resumes: 0 },
    });
    expect(await runProgram(run)).toMatchObject({ kind: "passed" });
    expect(card.got).toEqual(["a4/1", "a4/2", "50/1", "82", "a4/1", "2", "d6"]);
  });

  test("a file that is there but different ends the card", async () => {
    const card = new ScriptedCard({ "a4/1": [reply(0x9000, 8)] });
    const { run } = around(secure([create(1)]), card, { resume: { segment: 0, resumes: 0 } });
    expect(codeOf(await runProgram(run))).toBe("interrupted");
    expect(card.got).toEqual(["a4/1"]);
  });

  test("a card mute after a change is powered again and resumed by the rules", async () => {
    const card = new ScriptedCard({ d6: ["mute", reply(0x9000)] });
    const { run, notes } = around(secure([step(0xd6, { changes: true })]), card, { powerCycle: cycle(card) });
    expect(await runProgram(run)).toMatchObject({ kind: "passed", resumes: 1 });
    expect(card.got).toEqual(["50/1", "82", "d6", "50/1", "82", "d6"]);
    expect(notes.map((note) => [note.event, note.detail])).toEqual([
      ["intent", undefined],
      ["intent", "resume 1"],
      ["done", undefined],
    ]);
  });

  test("resumes are bounded, over all runs", async () => {
    const card = new ScriptedCard({ d6: ["mute"] });
    const end = await runProgram(
      around(secure([step(0xd6, { changes: true })]), card, {
        powerCycle: cycle(card),
        resume: { segment: 0, resumes: 1 },
      }).run,
    );
    expect(end).toMatchObject({ code: "too-many-resumes", resumes: 3 });
    expect(card.got.filter((name) => name === "82")).toHaveLength(2);
  });

  test("without a power cycle it is rejected, and a card silent for good is mute", async () => {
    const card = () => new ScriptedCard({ d6: ["mute"] });
    const program = secure([step(0xd6, { changes: true })]);
    expect(codeOf(await runProgram(around(program, card()).run))).toBe("interrupted");
    const dead = around(program, card(), { powerCycle: () => Promise.resolve("mute") });
    expect(codeOf(await runProgram(dead.run))).toBe("mute");
  });

  test("segments before the open one are not sent; a later one is asked before it is sent", async () => {
    const card = new ScriptedCard({ ca: [reply(0x9000, 1)] });
    const program: CardProgram = {
      name: "p",
      segments: [
        { name: "a", channel: "plain", steps: [step(0x11, { changes: true })] },
        { name: "b", channel: "plain", steps: [step(0x22, { changes: true })] },
        { name: "c", channel: "plain", steps: [step(0x33, { changes: true, again: "never" })], done: [ask] },
      ],
    };
    const { run } = around(program, card, { resume: { segment: 1, resumes: 0 } });
    expect(await runProgram(run)).toMatchObject({ kind: "passed" });
    expect(card.got).toEqual(["22", "ca"]);
  });

  test("what would be another file or EF record is asked for in later segments too: all were done, and the kill came before the visit's note", async () => {
    const there: Step = {
      ...step(0x33, { changes: true }),
      again: "probe",
      probe: { ask: [ask], absent: [{ value: 0x6a83, mask: 0xffff }] },
    };
    const program: CardProgram = {
      name: "p",
      segments: [
        { name: "a", channel: "plain", steps: [step(0x11, { changes: true, again: "same" })] },
        { name: "b", channel: "plain", steps: [there] },
      ],
    };
    const appended = new ScriptedCard({ ca: [reply(0x9000, 1), reply(0x9000, 1)] });
    const resume = { segment: 0, resumes: 0 };
    expect(await runProgram(around(program, appended, { resume }).run)).toMatchObject({ kind: "passed" });
    expect(appended.got).toEqual(["11", "ca", "ca"]);
    const absent = new ScriptedCard({ ca: [reply(0x6a83)] });
    expect(await runProgram(around(program, absent, { resume }).run)).toMatchObject({ kind: "passed" });
    expect(absent.got).toEqual(["11", "ca", "33"]);
  });

  test("a program that has changed since is not continued, and no card is blamed", async () => {
    const card = new ScriptedCard({});
    const { run } = around(plain(step(0x11, { changes: true })), card, {
      digest: "BBBB",
      resume: { segment: 0, resumes: 0, program: "p#AAAA" },
    });
    expect(await runProgram(run)).toMatchObject({ kind: "halted", code: "refused" });
    expect(card.got).toEqual([]);
  });
});
