/** PINs that cards draw themselves: what the security module keeps is what the card has, whatever happens in between. */
import { readFileSync } from "node:fs";
import { decodeResponse, encodeCommand } from "@persoline/card/apdu";
import { concat, hex, unhex } from "@persoline/card/bytes";
import { pinBlock2 } from "@persoline/card/emv";
import {
  type CardProgram,
  completedTiming,
  estimate,
  type SecureStep,
  type Step,
} from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { openOrderNow, placesOf } from "../devices/hsm/order.test.data.js";
import { unseal } from "../devices/hsm/seal.js";
import { problemText } from "../orders/yaml.js";
import { compile, imageProblems } from "./compile.js";
import { Bench, blank, calls, orderOf, record, ring, serial, type Trouble } from "./life.test.data.js";
import { prepare } from "./prepare.js";
import { parseProduct } from "./product.js";

const products = new URL("../../../../examples/products/", import.meta.url);
const imageOf = (version: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`os/persoline-os-${version}.img`, products)));
const ATR = {
  "2.0": "3B9C968131FE458073F621C06650534C4F020081",
  "2.1": "3B9C968131FE458073F621C06650534C4F020180",
  "2.2": "3B9C968131FE458073F621C06650534C4F020283",
};

/** The office product for cards of this image that draw their PIN. */
const text = (version: keyof typeof ATR = "2.1"): string =>
  readFileSync(new URL("office-access/product.yaml", products), "utf8")
    .replace("3B9C968131FE458073B621006650534C4F010301", ATR[version])
    .replace("persoline-os-1.3.img", `persoline-os-${version}.img`)
    .replace("pin: { method: drawn", "pin: { method: card");
function productOf(source: string) {
  const read = parseProduct(source, "product.yaml");
  if (!read.ok) throw new Error(read.problems.map(problemText).join("\n"));
  return read;
}
const product = compile(productOf(text()).product, imageOf("2.1"));
const { personalization, proof } = prepare(product, record, { order: "OF-26-1" });
const whose = { order: orderOf([personalization, proof]), record: 7 };
/** Nothing is drawn beforehand. */
const secrets = { ...whose, pins: {} };

interface Kept {
  readonly pins: Map<string, Uint8Array>;
  readonly keep: (pin: string, sealed: Uint8Array) => Promise<void>;
}
function keeper(): Kept {
  const pins = new Map<string, Uint8Array>();
  return {
    pins,
    keep: (pin, sealed) => {
      pins.set(pin, sealed);
      return Promise.resolve();
    },
  };
}

/** As a letter would tell it, the block that opens the card. */
function blockOf({ pins }: Kept): Uint8Array {
  const sealed = pins.get("pin");
  if (sealed === undefined) throw new Error("no PIN was kept");
  const digits = unseal(ring, { purpose: "pin", ...whose, name: "pin" }, sealed);
  return pinBlock2(digits.map((digit) => digit - 0x30));
}

/** VERIFY in the DF of the PIN. */
function verify(bench: Bench, block: Uint8Array): string {
  bench.power();
  const say = (header: string, data: Uint8Array): string => {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = unhex(header);
    return hex(bench.card.transmit(encodeCommand({ cla, ins, p1, p2, data })) ?? unhex("")).slice(-4);
  };
  expect(say("00A4040C", unhex("A0000008760101"))).toBe("9000");
  return say("00200081", block);
}

async function initialised(): Promise<Bench> {
  const bench = new Bench(blank());
  for (const program of [product.test, product.completion, product.initialisation])
    expect(await bench.run(program)).toMatchObject({ kind: "passed" });
  return bench;
}

describe("a card's life", () => {
  test("the PIN that is kept opens the card; the card's clock agrees with the plan", async () => {
    const kept = keeper();
    const bench = await initialised();
    const clock = bench.card.elapsedMicros;
    const { pagesWritten, apdus } = bench.card.counters;
    expect(await bench.run(personalization, { secrets, keep: kept.keep })).toMatchObject({ kind: "passed" });
    const planned = estimate(personalization, completedTiming);
    expect(bench.card.counters.pagesWritten - pagesWritten).toBe(planned.pages);
    expect(bench.card.counters.apdus - apdus).toBe(planned.apdus);
    const ratio = (bench.card.elapsedMicros - clock) / 1000 / planned.ms;
    expect(Math.abs(ratio - 1)).toBeLessThan(0.03);
    expect(await bench.run(proof, { secrets })).toMatchObject({ kind: "passed" });
    expect(kept.pins.get("pin")?.length).toBeGreaterThan(20);
    expect(verify(bench, blockOf(kept))).toBe("9000");
  });

  test("cards whose sessions hear nothing else draw theirs too, and the same programs make them", async () => {
    const guarded = compile(productOf(text("2.2")).product, imageOf("2.2"));
    const made = prepare(guarded, record, { order: "OF-26-1" });
    const own = { ...whose, order: orderOf([made.personalization, made.proof]), pins: {} };
    const bench = new Bench(blank());
    for (const program of [guarded.test, guarded.completion, guarded.initialisation])
      expect(await bench.run(program)).toMatchObject({ kind: "passed" });
    const kept = keeper();
    expect(await bench.run(made.personalization, { secrets: own, keep: kept.keep })).toMatchObject({
      kind: "passed",
    });
    expect(await bench.run(made.proof, { secrets: own })).toMatchObject({ kind: "passed" });
    expect(kept.pins.size).toBe(1);
  });

  test("two cards have two PINs, of so many digits", async () => {
    const blocks: string[] = [];
    for (let card = 0; card < 3; card++) {
      const kept = keeper();
      const bench = await initialised();
      expect(await bench.run(personalization, { secrets, keep: kept.keep })).toMatchObject({
        kind: "passed",
      });
      blocks.push(hex(blockOf(kept)));
    }
    expect(new Set(blocks).size).toBe(3);
    for (const block of blocks) expect(block).toMatch(/^26\d{6}FFFFFFFF$/);
  });

  const commands = estimate(personalization, completedTiming).apdus;
  test.each(["command", "answer"] as const)(
    "power lost at every command, its %s with it: the PIN that is kept last is the card's",
    async (lost) => {
      const start = await initialised();
      const content = start.store.load();
      const wrong: number[] = [];
      // A card that is silent at the first command has not changed: its station seats it anew.
      for (let command = 1; command < commands; command++) {
        const bench = new Bench(content);
        const kept = keeper();
        bench.trouble = { command, lost, how: "mute" } satisfies Trouble;
        const end = await bench.run(personalization, { secrets, keep: kept.keep });
        const right = end.kind === "passed" && verify(bench, blockOf(kept)) === "9000";
        if (!right) wrong.push(command);
      }
      expect(wrong).toEqual([]);
    },
    60_000,
  );

  test("the process ends before the PIN is kept: the card is given another, and that one is kept", async () => {
    const bench = await initialised();
    const ended = keeper();
    const dies = () => Promise.reject(new Error("the disk is full"));
    await expect(bench.run(personalization, { secrets, keep: dies })).rejects.toThrow("the disk is full");
    const open = bench.notes.at(-1);
    expect(open).toMatchObject({ event: "intent", segment: 0 });
    const end = await bench.run(personalization, {
      secrets,
      keep: ended.keep,
      resume: { segment: 0, program: open?.program ?? "", resumes: 0 },
    });
    expect(end).toMatchObject({ kind: "passed" });
    expect(verify(bench, blockOf(ended))).toBe("9000");
  });

  test("a finished card is left as it is, and no second PIN is drawn, when all of it is asked for again", async () => {
    const bench = await initialised();
    const kept = keeper();
    await bench.run(personalization, { secrets, keep: kept.keep });
    const before = hex(blockOf(kept));
    const end = await bench.run(personalization, {
      secrets,
      keep: kept.keep,
      resume: { segment: 0, resumes: 0 },
    });
    expect(end).toMatchObject({ kind: "passed" });
    expect(hex(blockOf(kept))).toBe(before);
    expect(verify(bench, blockOf(kept))).toBe("9000");
  });

  test("nobody keeps it: nothing is sent", async () => {
    const bench = await initialised();
    const sent = bench.commands;
    await expect(bench.run(personalization, { secrets })).rejects.toThrow("nobody keeps it");
    expect(bench.commands).toBe(sent);
  });

  test("a card that answers something else than a PIN is a reject, and nothing is kept", async () => {
    const kept = keeper();
    const bench = await initialised();
    // The product wants six digits; the card was told to draw four.
    const [draw, rest] = personalization.segments;
    if (draw === undefined || rest === undefined) throw new Error("no segments");
    const steps = draw.steps.map((step) =>
      step.draws === undefined ? step : { ...step, data: [Uint8Array.of(3, 4)] },
    );
    const other: CardProgram = { ...personalization, segments: [{ ...draw, steps }, rest] };
    const end = await bench.run(other, { secrets, keep: kept.keep });
    expect(end).toMatchObject({
      kind: "rejected",
      code: "wrong-answer",
      detail: expect.stringContaining("no PIN of 6 digits") as string,
    });
    expect(kept.pins.size).toBe(0);
  });
});

describe("the security module", () => {
  const channel = personalization.segments[0]?.channel;
  const step = personalization.segments[0]?.steps.find(({ draws }) => draws !== undefined);
  if (channel === undefined || channel === "plain" || step === undefined) throw new Error("no drawing");

  const [select] = personalization.segments[0]?.steps ?? [];
  if (select === undefined || channel.protocol !== "scp03") throw new Error("no session");
  const secure = ({ cla, ins, p1, p2, data, le, draws }: Step): SecureStep => ({
    cla,
    ins,
    p1,
    p2,
    data,
    ...(le === undefined ? {} : { le }),
    ...(draws === undefined ? {} : { draws }),
  });
  const { draws: _, ...bare } = step;

  /** A session with the card in which this is to be sent; what came of it. */
  const session = async (
    sent: Step,
    how: { readonly level?: 0x11 | 0x33; readonly secrets?: typeof secrets | "none" } = {},
  ) => {
    const bench = await initialised();
    bench.power();
    const send = (command: Parameters<typeof encodeCommand>[0]) => {
      const bytes = bench.card.transmit(encodeCommand(command)) ?? unhex("");
      return decodeResponse(bytes);
    };
    const own = how.secrets ?? secrets;
    const spec = { ...channel, level: how.level ?? channel.level };
    const order = `D-${String(spec.level)}`;
    openOrderNow(calls, order, placesOf(spec, []));
    const { session: id, open } = calls.openSession({
      channel: spec,
      serial,
      ...(own === "none" || how.level !== undefined ? { order } : { secrets: own }),
    });
    const answer = send(open);
    const ready = calls.authenticate({ session: id, answer, steps: [secure(select), secure(sent)] });
    if (!ready.ok || !("commands" in ready)) throw new Error("no session");
    const answers = ready.commands.map((command) => send(command));
    return calls.unwrap({ session: id, answers: answers.slice(1) });
  };

  test("gives the PIN back sealed, and nothing of what the card answered", async () => {
    const told = await session(step);
    const [, drawn] = told.answers;
    expect(drawn).toMatchObject({ sw: 0x9000, verdict: "right", data: new Uint8Array(0) });
    expect(drawn?.sealed?.length).toBeGreaterThan(20);
    expect(() =>
      unseal(ring, { purpose: "pin", ...whose, record: 8, name: "pin" }, drawn?.sealed ?? unhex("")),
    ).toThrow("belongs elsewhere");
  });

  test.each<[string, Step, Parameters<typeof session>[1], string]>([
    ["the command alone, whose answer would be the PIN in clear", bare, {}, "but for its letter"],
    [
      "another command's answer for a PIN",
      { ...step, ins: 0xca, p1: 0, p2: 0xcf, data: [] },
      {},
      "only DRAW REFERENCE DATA",
    ],
    ["a session that others can read", step, { level: 0x11 }, "level 33 only"],
    ["a PIN of nobody", step, { secrets: "none" }, "for no record"],
  ])("refuses %s", async (_name, sent, how, message) => {
    await expect(session(sent, how)).rejects.toThrow(message);
  });

  test("an answer that was altered on its way ends it, and nothing of the PIN comes back", async () => {
    const bench = await initialised();
    bench.power();
    const send = (command: Parameters<typeof encodeCommand>[0]) => {
      const bytes = bench.card.transmit(encodeCommand(command)) ?? unhex("");
      return decodeResponse(bytes.slice());
    };
    const { session: id, open } = calls.openSession({
      channel,
      serial,
      secrets,
    });
    const ready = calls.authenticate({
      session: id,
      answer: send(open),
      steps: [select, step, select].map(secure),
    });
    if (!ready.ok || !("commands" in ready)) throw new Error("no session");
    const [, ...answers] = ready.commands.map((command) => send(command));
    // The last answer is damaged: what came before it was unwrapped already.
    const last = answers.at(-1);
    last?.data.set([(last.data[0] ?? 0) ^ 1]);
    const told = calls.unwrap({ session: id, answers });
    expect(told).toMatchObject({ ok: false, code: "response-mac", at: 2 });
    expect(concat(...told.answers.map(({ data }) => data))).toHaveLength(0);
  });
});

describe("refused before anything is made", () => {
  test("an image whose cards cannot", () => {
    const { product: read, problem } = productOf(text("2.0"));
    const told = imageProblems(read, imageOf("2.0"), problem).map(problemText);
    expect(told.join()).toMatch(/product\.yaml:\d+:\d+.*version 2\.0, whose cards cannot draw a PIN/);
    expect(() => compile(read, imageOf("2.0"))).toThrow("cannot draw a PIN");
  });

  const told = (from: string | RegExp, to: string): string => {
    const changed = text().replace(from, to);
    expect(changed).not.toBe(text());
    const read = parseProduct(changed, "product.yaml");
    return read.ok ? "" : read.problems.map(problemText).join("\n");
  };
  test.each([
    ['level: "33"', 'level: "13"', "in a channel of level 33 only, and this one has 13"],
    ["method: card", 'method: card, digits: "1234"', "method card has no use for digits"],
    ["method: card", "method: trivial", "method trivial needs digits"],
    ["method: card", 'method: trivial, digits: "123456"', "needs no letter"],
    ["method: card, length: 6", 'method: trivial, digits: "12345", length: 6', "its digits are 5"],
    ["method: card", "method: issuer", "method issuer needs block"],
    ["method: card", "method: issuer, block: { field: pinBlock, keys: tk }", "there is no field pinBlock"],
  ])("%s -> %s", (from, to, message) => {
    expect(told(from, to)).toContain(message);
  });
});
