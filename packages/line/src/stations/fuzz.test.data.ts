/**
 * The fuzzer: generated answers of hostile cards against everything that reads what a card says. It ends with figures, or throws at the
 * first answer that makes a crash, a hang, a repeated authentication, a burnt try or a card that is passed and is not good. A seed tells
 * all but the security module's own chance.
 */
import { decodeResponse } from "@persoline/card/apdu";
import { describeAtr, parseAtr } from "@persoline/card/atr";
import { CardProblem, unhex } from "@persoline/card/bytes";
import {
  parseCardData,
  parseCardResources,
  parseCplc,
  parseInitializeUpdate,
  parseKeyInformation,
  parseStatus,
  parseStatusOld,
} from "@persoline/card/globalplatform";
import { inspectCard } from "@persoline/card/inspect";
import { decodeFci } from "@persoline/card/iso7816";
import { type ContactLine, decodeBlock, judgePps, Terminal } from "@persoline/card/iso7816-3";
import { parseCompactTlv, parseTlv } from "@persoline/card/tlv";
import { type Chance, chance as chanceOf } from "../devices/shop-floor/random.js";
import { liveOnce } from "../plan/life.test.data.js";
import { answerOf, atrOf, blockOf, bytesOf, pick, tlvOf, whole } from "./fuzz-answers.test.data.js";
import { converseOnce } from "./fuzz-converse.test.data.js";
import { type Lived, liveWith } from "./fuzz-lives.test.data.js";

type Given = "readers" | "characters" | "conversation" | "inspection" | "line";

export interface FuzzFigures {
  /** Generated answers by what they were given to. */
  readonly answers: Readonly<Record<Given, number>>;
  readonly cards: number;
  /** Cards that were passed although an answer of theirs was spoiled: it did not matter, and their memory is as it must be. */
  readonly harmless: number;
  /** The cards by their kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** How the hostile cards' lives on the line ended. */
  readonly ends: Readonly<Record<string, number>>;
  /** CPU seconds of the slowest unit: one piece of bytes, one conversation, one card's whole life. */
  readonly slowestSeconds: number;
  /** MiB of heap in use above what was in use at the beginning. */
  readonly heapGrowth: number;
}

/** One unit may think so long. */
const mostSeconds = 10;

class Tally {
  readonly answers: Record<Given, number> = {
    readers: 0,
    characters: 0,
    conversation: 0,
    inspection: 0,
    line: 0,
  };
  readonly kinds: Record<string, number> = {};
  readonly ends: Record<string, number> = {};
  cards = 0;
  harmless = 0;
  slowest = 0;

  get all(): number {
    return Object.values(this.answers).reduce((sum, one) => sum + one, 0);
  }

  lived({ kind, answers, end, harmless }: Lived): void {
    this.cards++;
    this.answers.line += answers;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    this.ends[end] = (this.ends[end] ?? 0) + 1;
    if (harmless) this.harmless++;
  }

  async timed(what: () => string, work: () => void | Promise<void>): Promise<void> {
    const began = process.cpuUsage();
    try {
      await work();
    } catch (thrown) {
      throw new Error(
        `${what()}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`,
        {
          cause: thrown,
        },
      );
    }
    const { user, system } = process.cpuUsage(began);
    const seconds = (user + system) / 1e6;
    this.slowest = Math.max(this.slowest, seconds);
    if (seconds > mostSeconds) throw new Error(`${what()}: it took ${seconds.toFixed(1)} s of a core`);
  }
}

/** Everything that makes sense of bytes from a card: a value, or a CardProblem. */
const readers: readonly [(bytes: Uint8Array) => unknown, ...((bytes: Uint8Array) => unknown)[]] = [
  (bytes) => describeAtr(parseAtr(bytes)),
  (bytes) => parseTlv(bytes),
  (bytes) => parseTlv(bytes, { padding: "00-or-FF" }),
  parseCompactTlv,
  decodeFci,
  parseKeyInformation,
  parseCardData,
  parseCardResources,
  parseCplc,
  parseStatus,
  (bytes) => parseStatusOld(bytes, true),
  parseInitializeUpdate,
  decodeResponse,
  (bytes) => decodeBlock(bytes, "LRC"),
  (bytes) => decodeBlock(bytes, "CRC"),
  (bytes) => judgePps({ protocol: 1, ta1: 0x96 }, bytes),
];

const goodAtr = unhex("3B9C968131FE458073B621006650534C4F0102DE");

function readSomething(chance: Chance): void {
  const bytes = pick<() => Uint8Array>(chance, [
    () => answerOf(chance).subarray(0, -2),
    () => tlvOf(chance),
    () => atrOf(chance, goodAtr),
    () => blockOf(chance),
    () => bytesOf(chance, whole(chance, 600)),
  ])();
  try {
    pick(chance, readers)(bytes);
  } catch (thrown) {
    if (!(thrown instanceof CardProblem)) throw thrown;
  }
}

/** A line whose card sends whatever it likes after a good answer to reset, with parities right or wrong. */
class HostileLine implements ContactLine {
  readonly clockHz = 5_000_000;
  now = 0;
  answers = 0;
  readonly #chance: Chance;
  #sending: number[] = [];
  #first = true;

  constructor(chance: Chance, atr: Uint8Array) {
    this.#chance = chance;
    this.#sending = [...atr];
  }
  setVcc(): void {}
  setClock(): void {}
  setInputOutput(): void {}
  setReset(): void {}
  complain(): void {}
  wait(until: number): void {
    this.now = Math.max(this.now, until);
  }
  send(_levels: number, etu: number, notBefore: number) {
    this.now = Math.max(this.now, notBefore) + etu;
    // Whatever the reader began to say: an answer to it comes when it listens.
    if (!this.#first) this.#sending = [];
    return { at: this.now, refused: this.#chance.next() < 0.0005 };
  }
  receive(etu: number, until: number) {
    if (this.#sending.length === 0) {
      this.#first = false;
      if (this.#chance.next() < 0.1) {
        this.now = Math.max(this.now, until);
        return undefined;
      }
      this.answers++;
      this.#sending = [...this.#something()];
    }
    const byte = this.#sending.shift();
    if (byte === undefined || this.now > until) {
      this.now = Math.max(this.now, until);
      return undefined;
    }
    this.now += 12 * etu;
    const ones = byte.toString(2).replaceAll("0", "").length % 2;
    const wrong = this.#chance.next() < 0.002 ? 0x100 : 0;
    return { at: this.now, levels: (byte | (ones << 8)) ^ wrong };
  }

  #something(): Uint8Array {
    const chance = this.#chance;
    return pick<() => Uint8Array>(chance, [
      () => blockOf(chance),
      () => blockOf(chance),
      () => unhex("60"),
      () => unhex(pick(chance, ["CA", "35", "A4", "5B", "C0", "3F"])),
      () => unhex("00C101FE3E").with(1, pick(chance, [0xc1, 0xe1])),
      () => unhex("FF119678"),
      () => answerOf(chance).slice(0, 40),
    ])();
  }
}

const commands: readonly [string, ...string[]] = [
  "80CA00CF00",
  "00A4040008A000000151000000",
  "00A40000023F0000",
  "00D60000040102030400".slice(0, 18),
  "00C0000000".replace("C0", "B0"),
];

function speakSomething(chance: Chance): number {
  const atr = pick<() => Uint8Array>(chance, [
    () => unhex("3B00"),
    () => unhex("3B800181"),
    () =>
      goodAtr.with(
        goodAtr.length - 1,
        goodAtr.subarray(1, -1).reduce((all, byte) => all ^ byte, 0),
      ),
    () => atrOf(chance, goodAtr),
  ])();
  const line = new HostileLine(chance, atr);
  const terminal = new Terminal(line, { apduSeconds: 20 });
  try {
    const powered = terminal.cold();
    if (powered.kind === "ready")
      for (let more = 0; more < 3; more++) powered.conversation.transmit(unhex(pick(chance, commands)));
  } catch (thrown) {
    if (!(thrown instanceof CardProblem)) throw thrown;
  }
  return Math.max(1, line.answers);
}

async function inspectSomething(chance: Chance): Promise<number> {
  let answers = 0;
  await inspectCard(
    {
      exchange: (sent) => {
        answers += sent.length;
        return Promise.resolve(
          sent.map(() => {
            const said = answerOf(chance);
            const sw = ((said.at(-2) ?? 0) << 8) | (said.at(-1) ?? 0);
            return { data: said.subarray(0, -2), sw: sw as never };
          }),
        );
      },
    },
    { atr: atrOf(chance, goodAtr) },
  );
  return answers;
}

/** Gives so many generated answers in all. Throws at the first that does harm, with the seed that makes it again. */
export async function fuzz(ask: {
  readonly answers: number;
  readonly seed: number;
  /** Begins there: what a problem names after the seed. */
  readonly round?: number;
  readonly progress?: (given: number) => void;
}): Promise<FuzzFigures> {
  // What a Persoline card must be in the end.
  await liveOnce();
  const tally = new Tally();
  const heap = process.memoryUsage().heapUsed;
  let round = ask.round ?? 0;
  let told = 0;
  while (tally.all < ask.answers) {
    const name = `${String(ask.seed)}/${String(round++)}`;
    const chance = chanceOf(`fuzz ${name}`);
    const kind = pick<Given>(chance, [
      "readers",
      "characters",
      "conversation",
      "inspection",
      "line",
      "line",
      "line",
    ]);
    await tally.timed(
      () => `${kind}, seed ${name}`,
      async () => {
        switch (kind) {
          case "readers":
            for (let one = 0; one < 100; one++) readSomething(chance);
            tally.answers.readers += 100;
            break;
          case "characters":
            tally.answers.characters += speakSomething(chance);
            break;
          case "inspection":
            tally.answers.inspection += await inspectSomething(chance);
            break;
          case "conversation":
            for (let one = 0; one < 10; one++) tally.answers.conversation += await converseOnce(chance);
            break;
          case "line":
            tally.lived(await liveWith(chance));
        }
      },
    );
    if (tally.all - told >= 100_000) {
      told = tally.all;
      ask.progress?.(told);
      // The machine has other things to do.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return {
    answers: tally.answers,
    cards: tally.cards,
    harmless: tally.harmless,
    kinds: tally.kinds,
    ends: tally.ends,
    slowestSeconds: tally.slowest,
    heapGrowth: (process.memoryUsage().heapUsed - heap) / 2 ** 20,
  };
}
