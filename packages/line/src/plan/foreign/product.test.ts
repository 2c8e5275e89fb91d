import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Response, type StatusWord, statusWord, SW } from "@persoline/card/apdu";
import {
  type CardChannel,
  CardMute,
  runProgram,
  type SecurityModule,
  type Serial,
} from "@persoline/card/program";
import { idealWorld } from "../../stations/world.js";
import { ContentProblem } from "../content.js";
import { compileForeign } from "./compile.js";
import { type ForeignProduct, parseForeign } from "./product.js";
import { foreignInitialisation, foreignPersonalization, foreignProof } from "./programs.js";

const file = new URL("../../../../../examples/products/foreign-badge/product.yaml", import.meta.url);
const text = readFileSync(file, "utf8");
const read = parseForeign(text, "product.yaml");
if (!read.ok) throw new Error("the foreign product is not read");
const { product } = read;
const problems = (changed: string): string[] => {
  const found = parseForeign(changed, "product.yaml");
  return found.ok ? [] : found.problems.map(({ line, code }) => `${String(line)} ${code}`);
};

describe("a product on a card of another maker", () => {
  test("a card is ended only by a command that somebody has seen it understand", () => {
    expect(compileForeign(product).termination).toBeUndefined();
    const mood =
      '    - { mood: ends, by: terminate-card-usage, seen-on: a card, evidence: "00FE0000 answers 9000" }\n';
    const knowing = parseForeign(text.replace("  moods:\n", `  moods:\n${mood}`), "product.yaml");
    const termination = knowing.ok ? compileForeign(knowing.product).termination : undefined;
    expect(termination?.segments.flatMap(({ steps }) => steps.map(({ ins, p2 }) => [ins, p2]))).toEqual([
      [0xa4, 0x0c],
      [0xfe, 0x00],
    ]);
  });
  test.each([
    ["63C3", 1],
    ["63C2", 1],
    ["63C1", 0],
    ["63C0", 0],
    ["6983", 0],
    ["9000", 0],
  ])("asked for its tries, a card says %s: the PIN is shown %i times", async (told, times) => {
    const asking = text.replace(
      "length: 8 }",
      'length: 8, tries-left: { at-least: 2, seen-on: a card, evidence: "00200000 answers 63C3, again and again" } }',
    );
    const found = parseForeign(asking, "product.yaml");
    if (!found.ok) throw new Error(JSON.stringify(found.problems));
    const { segments } = foreignProof(found.product, person);
    const pin = segments.filter(({ name }) => name === "pin");
    const got: string[] = [];
    const channel: CardChannel = {
      exchange: (commands) => {
        const answers: Response[] = [];
        for (const { command, sw } of commands) {
          const shown = (command.data?.length ?? 0) > 0;
          got.push(shown ? "PIN" : "question");
          const answer = statusWord(shown ? 0x9000 : Number.parseInt(told, 16));
          answers.push({ data: new Uint8Array(0), sw: answer });
          if (!sw.some(({ value, mask }) => (answer & mask) === value)) break;
        }
        return Promise.resolve(answers);
      },
    };
    const end = await runProgram({
      program: { name: "proof", segments: pin },
      station: "chip-proof",
      serial: "F5" as Serial,
      channel,
      hsm: {} as SecurityModule,
      journal: { write: () => Promise.resolve() },
      world: {
        now: () => 0,
        sleep: () => Promise.resolve(),
        random: (length) => new Uint8Array(length),
        outside: (_, answer) => answer,
      },
    });
    expect(end.kind).toBe(times === 1 ? "passed" : "rejected");
    expect(got.filter((one) => one === "PIN")).toHaveLength(times);
  });
  test("a mood without a witness is refused", () => {
    expect(problems(text.replace(/ {6}seen-on: .*\n/, ""))).toHaveLength(1);
  });
  test("files that are there twice, contents without a file, records in a file without any", () => {
    expect(problems(text.replace('fid: "0102"', 'fid: "0101"'))).toEqual([expect.stringMatching(/ twice$/)]);
    expect(problems(text.replace("zones: { records", "nowhere: { records"))).toEqual([
      expect.stringMatching(/ no-file$/),
    ]);
    expect(problems(text.replace('{ records: "{zones}" }', '{ value: "{name}" }'))).toEqual([
      expect.stringMatching(/ wrong-form$/),
    ]);
  });

  test("a card's number needs a file of its own, and templates name fields that are there", () => {
    expect(problems(text.replace("ef: number, begins", "ef: zones, begins"))).toEqual([
      expect.stringMatching(/ no-place$/),
    ]);
    expect(problems(text.replace("transparent, size: 10 ", "transparent, size: 9 "))).toEqual([
      expect.stringMatching(/ no-place$/),
    ]);
    expect(problems(text.replace('"5F20": "{name}"', '"5F20": "{nmae}"'))).toEqual([
      expect.stringMatching(/ no-field$/),
    ]);
    expect(problems(text.replace("{order}-{record:4}", "{name}"))).toEqual([
      expect.stringMatching(/ no-field$/),
    ]);
  });

  const person = { name: "Ada", zones: ["A", "B"], cardNumber: "F-1" };
  test("only declared moods bend the standard's commands", () => {
    const plain = { ...product, card: { ...product.card, moods: [] } };
    const selects = (of: typeof product): number[] =>
      foreignPersonalization(of, person).segments.flatMap(({ steps }) =>
        steps.filter(({ ins }) => ins === 0xa4).map(({ p2 }) => p2),
      );
    expect(new Set(selects(plain))).toEqual(new Set([0x04]));
    expect(new Set(selects(product))).toEqual(new Set([0x0c]));
    const updates = foreignPersonalization(plain, person).segments.flatMap(({ steps }) =>
      steps.filter(({ ins }) => ins === 0xd6),
    );
    expect(updates.map(({ le, sw }) => [le, sw.length])).toEqual([[undefined, 1]]);
  });

  test("an EF record is asked for before it is appended again, and every file is asked for before it is made again", () => {
    const appended = foreignPersonalization(product, person).segments.flatMap(({ steps }) =>
      steps.filter(({ ins }) => ins === 0xe2),
    );
    expect(appended.map(({ again, probe }) => [again, probe?.ask[0]?.p1, probe?.ask[0]?.p2])).toEqual([
      ["probe", 1, 0x14],
      ["probe", 2, 0x14],
    ]);
    expect(foreignInitialisation(product).segments.every(({ done }) => done?.length === 2)).toBe(true);
  });

  test("a PIN whose answer did not come is sent again only to a card that tells its counter, and tells it full", async () => {
    const sent = async (
      left: StatusWord | undefined,
      answer: "mute" | StatusWord,
    ): Promise<[number, string]> => {
      let verified = 0;
      const channel: CardChannel = {
        exchange: (commands) => {
          const answers: Response[] = [];
          for (const { command } of commands) {
            if (command.ins === 0x20 && command.data !== undefined) verified++;
            const isPin = command.ins === 0x20 && command.data !== undefined;
            if (isPin && answer === "mute" && verified === 1) return Promise.reject(new CardMute(answers));
            const sw = isPin ? statusWord(0x9000) : command.ins === 0x20 && left !== undefined ? left : SW.ok;
            answers.push({ data: new Uint8Array(0), sw });
          }
          return Promise.resolve(answers);
        },
      };
      const pin = { reference: "00", transport: "1234", length: 8 };
      const own: ForeignProduct = {
        ...product,
        write: {},
        pin:
          left === undefined
            ? pin
            : { ...pin, "tries-left": { "at-least": 3, "seen-on": "a test", evidence: "63C3" } },
      };
      const end = await runProgram({
        program: foreignProof(own, person),
        station: "bench",
        serial: "00000000000000000001" as Serial,
        channel,
        powerCycle: () => Promise.resolve(channel),
        hsm: undefined as never,
        journal: { write: () => Promise.resolve() },
        world: idealWorld(),
      });
      return [verified, "code" in end ? end.code : end.kind];
    };
    expect(await sent(undefined, "mute")).toEqual([1, "interrupted"]);
    expect(await sent(statusWord(0x63c3), "mute")).toEqual([2, "passed"]);
    expect(await sent(statusWord(0x63c3), SW.ok)).toEqual([1, "passed"]);
  });

  test("an EF record too many is found when the list is read back", () => {
    const last = foreignProof(product, person).segments.flatMap(({ steps }) =>
      steps.filter(({ ins }) => ins === 0xb2),
    );
    expect(last.map(({ p1, sw: [sw] }) => [p1, sw?.value])).toEqual([
      [1, 0x9000],
      [2, 0x9000],
      [3, 0x6a83],
    ]);
  });

  test("long contents go in pieces that the card takes, and are read back in the same", () => {
    const small = { ...product, card: { ...product.card, "command-data": 16 } };
    const longName = { ...person, name: "A".repeat(40) };
    const lengths = foreignPersonalization(small, longName).segments[0]?.steps.flatMap(
      ({ ins, data: [part] }) => (ins === 0xd6 && part instanceof Uint8Array ? [part.length] : []),
    );
    expect(lengths?.slice(0, -1).every((length) => length === 16)).toBe(true);
    expect(foreignProof(small, longName).segments[0]?.steps.filter(({ ins }) => ins === 0xb0)).toHaveLength(
      lengths?.length ?? 0,
    );
  });

  test("what does not fit is refused before a card is touched, without naming it", () => {
    const zones = ["a".repeat(33)];
    expect(() => foreignPersonalization(product, { ...person, zones })).toThrow(ContentProblem);
    expect(() =>
      foreignPersonalization(product, { ...person, zones: Array.from({ length: 9 }, () => "z") }),
    ).toThrow("has more than the 8 EF records of zones");
  });
});
