/**
 * The fuzzer: generated answers of hostile cards against everything that reads what a card says. It ends with figures, or throws at the
 * first answer that makes a crash, a hang, a repeated authentication or a card that is passed and is not good. A seed tells all.
 */
import { createHash } from "node:crypto";
import { decodeResponse } from "@persoline/card/apdu";
import { describeAtr, parseAtr } from "@persoline/card/atr";
import { CardProblem, hex, unhex } from "@persoline/card/bytes";
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
import { nodeCrypto } from "@persoline/card/node";
import type { Outcome } from "@persoline/card/program";
import { parseCompactTlv, parseTlv } from "@persoline/card/tlv";
import { makeVirtualCard, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { simulatedReader } from "../devices/reader/simulated.js";
import { type Chance, chance as chanceOf } from "../devices/shop-floor/random.js";
import {
  contentBefore,
  hsm,
  liveOnce,
  office,
  personalization,
  proof,
  record,
  sameCard,
  secrets,
  serial,
  type Station as LifeStation,
} from "../plan/life.test.data.js";
import { Challenges } from "./challenges.js";
import {
  chipProof,
  completion,
  electricalTest,
  initialisation,
  personalization as personalize,
} from "./chip.js";
import { answerOf, atrOf, blockOf, bytesOf, pick, spoiled, tlvOf, whole } from "./fuzz-answers.test.data.js";
import { newCard, type Station, usualLimits, usualOutside, type Visit } from "./station.js";
import { idealWorld } from "./world.js";

export interface FuzzFigures {
  /** Generated answers by what they were given to. */
  readonly answers: Readonly<Record<"readers" | "characters" | "inspection" | "line", number>>;
  readonly cards: number;
  /** Cards that were passed although an answer of theirs was spoiled: it did not matter, and their memory is as it must be. */
  readonly harmless: number;
  /** How the hostile cards' lives on the line ended. */
  readonly ends: Readonly<Record<string, number>>;
  /** CPU seconds of the slowest unit: one piece of bytes, one conversation, one card's whole life. */
  readonly slowestSeconds: number;
  /** MiB of heap in use above what was in use at the beginning. */
  readonly heapGrowth: number;
}

/** One unit may think so long. */
const mostSeconds = 10;
/** One card may be asked so often before it is given up. */
const mostCommands = 20_000;

class Tally {
  readonly answers = { readers: 0, characters: 0, inspection: 0, line: 0 };
  readonly ends: Record<string, number> = {};
  cards = 0;
  harmless = 0;
  slowest = 0;

  get all(): number {
    const { readers, characters, inspection, line } = this.answers;
    return readers + characters + inspection + line;
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

/** A card of the line that is good in itself, and what comes of its answers on their way. */
class HostileCard implements VirtualCard {
  readonly store;
  answers = 0;
  spoiledAnswers = 0;
  /** An authentication was refused: none may follow. */
  refused: string | undefined;
  readonly #card: VirtualCard;
  readonly #chance: Chance;
  readonly #rate: number;
  readonly #after: number;
  #left: number;
  readonly #earlier: Uint8Array[] = [];

  constructor(
    content: Uint8Array,
    chance: Chance,
    more: { readonly after: number; readonly rate: number; readonly most: number },
  ) {
    this.store = memoryStore(content);
    this.#chance = chance;
    this.#rate = more.rate;
    this.#after = more.after;
    this.#left = more.most;
    this.#card = makeVirtualCard({
      eeprom: this.store,
      random: (length) => bytesOf(chance, length),
      crypto: nodeCrypto,
    });
  }
  get elapsedMicros() {
    return this.#card.elapsedMicros;
  }
  get counters() {
    return this.#card.counters;
  }
  powerOn(): Uint8Array | undefined {
    const atr = this.#card.powerOn();
    this.answers++;
    return atr !== undefined && this.#strikes(0.05) ? atrOf(this.#chance, atr) : atr;
  }
  warmReset(): Uint8Array | undefined {
    return this.#card.warmReset();
  }
  powerOff(): void {
    this.#card.powerOff();
  }
  transmit(apdu: Uint8Array): Uint8Array | undefined {
    if (++this.answers > mostCommands) throw new Error(`${String(mostCommands)} commands and no end`);
    this.#watch(apdu);
    // A hostile card may also do nothing of what it says it did.
    const lies = this.#strikes(0.2);
    const good = lies ? Uint8Array.of(0x90, 0x00) : this.#card.transmit(apdu);
    if (good === undefined) return undefined;
    const answer = !lies && this.#strikes(1) ? spoiled(this.#chance, good, this.#earlier) : good;
    if (this.#earlier.length < 32) this.#earlier.push(good);
    const sw = answer === undefined ? 0 : ((answer.at(-2) ?? 0) << 8) | (answer.at(-1) ?? 0);
    // Only a status word refuses; bytes that are no answer are silence, after which the card is reset and asked where it stands.
    const says = answer !== undefined && answer.length >= 2 && answer.length <= 258;
    if (isAuthentication(apdu) && says && sw !== 0x9000) this.refused = hex(answer);
    return answer;
  }

  #strikes(weight: number): boolean {
    if (this.#left <= 0 || this.answers <= this.#after || this.#chance.next() >= this.#rate * weight)
      return false;
    this.#left--;
    this.spoiledAnswers++;
    return true;
  }

  #watch(apdu: Uint8Array): void {
    if (!isAuthentication(apdu)) return;
    if (this.refused !== undefined)
      throw new Error(
        `an authentication was sent again after the card had answered one with ${this.refused}`,
      );
  }
}

/** EXTERNAL and MUTUAL AUTHENTICATE, and VERIFY, CHANGE and RESET with data: what can burn a try. */
const isAuthentication = (apdu: Uint8Array): boolean =>
  [0x82, 0x20, 0x24, 0x2c].includes(apdu[1] ?? 0) && apdu.length > 5;

const way: readonly (readonly [LifeStation, Station])[] = [
  ["test", electricalTest],
  ["completion", completion],
  ["initialisation", initialisation],
  ["personalization", personalize],
  ["proof", chipProof],
];

/** From a station on, all that follow, as long as it passes. */
async function liveWith(chance: Chance, tally: Tally): Promise<void> {
  const from = whole(chance, way.length);
  const content = contentBefore(way[from]?.[0] ?? "test").slice();
  if (from === way.length - 1 && chance.next() < 0.5) spoilMemory(content, chance);
  const card = new HostileCard(content, chance, {
    // Good for a while, then hostile at once or now and then.
    after: whole(chance, 60),
    rate: pick(chance, [0.05, 0.3, 0.8]),
    most: pick(chance, [1, 1, 3, 1000]),
  });
  const stage = (["blank", "tested", "completed", "bound", "personalised"] as const)[from] ?? "blank";
  const inWork = newCard({ label: "F-000001", serial, stage, lot: "F", state: "in-process" } as never, {
    stage,
  });
  inWork.bound = {
    record,
    attempt: 1,
    prepared: { number: 7, personalization, proof, faces: [], emboss: [] },
    secrets,
  };
  const world = idealWorld();
  const visit: Visit = {
    world,
    hsm,
    journal: { write: () => Promise.resolve() },
    product: office,
    limits: usualLimits,
    outside: usualOutside,
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
    makeMarks: () => Promise.resolve([]),
    makeStripe: () => undefined,
    hmacSha256: () => new Uint8Array(32),
    judgeFaces: () => Promise.resolve({ kind: "passed", detail: "", findings: [] }),
    keepPicture: () => Promise.resolve({ file: "", sha256: "" }),
    head: {
      station: "fuzz",
      number: 0,
      reader: simulatedReader({
        name: "fuzz",
        place: { at: "head", station: "fuzz", head: 0 },
        floor: { cardAt: () => card },
        world,
        timing: "ideal",
      }),
      markers: [],
      camera: undefined,
      encoder: undefined,
    },
    challenges: new Challenges(),
  };
  let outcome: Outcome = { kind: "passed" };
  for (const [, station] of way.slice(from)) {
    outcome = await station.visit(inWork, visit);
    if (outcome.kind !== "passed") break;
  }
  tally.cards++;
  tally.answers.line += card.answers;
  const end = outcome.kind === "rejected" ? outcome.code : outcome.kind;
  tally.ends[end] = (tally.ends[end] ?? 0) + 1;
  if (outcome.kind === "halted") throw new Error(`the card stopped the line: ${outcome.detail}`);
  if (outcome.kind === "passed") {
    if (card.spoiledAnswers > 0) tally.harmless++;
    const wrong = sameCard(contentBefore("end"), card.store.load()).filter(concerns);
    if (wrong.length > 0) throw new Error(`passed as good with ${wrong.join(", ")}`);
  }
}

/** One bit of what was put into files: neither left there by the EEPROM test nor FF since the file was created. */
function spoilMemory(content: Uint8Array, chance: Chance): void {
  const tested = contentBefore("completion");
  const put: number[] = [];
  for (let at = firstBody; at < endOfBodies; at++)
    if (content[at] !== 0xff && content[at] !== tested[at]) put.push(at);
  const at = put[whole(chance, put.length)] ?? firstBody;
  content[at] = (content[at] ?? 0) ^ (1 << whole(chance, 8));
}

/**
 * Pages that nothing was ever put into hold what the EEPROM test left there. A card that only says it tested them is a liar nobody can
 * find out, and as good as any other.
 */
function concerns(difference: string): boolean {
  const page = /^page (\d+)/.exec(difference)?.[1];
  if (page === undefined) return true;
  const [from, to] = [Number(page) * pageSize, (Number(page) + 1) * pageSize];
  const [tested, end] = [contentBefore("completion"), contentBefore("end")];
  return tested.subarray(from, to).some((byte, at) => byte !== end[from + at]);
}
const pageSize = 64;
/** Bodies of files (docs/card-os.md 1), behind the page pairs of the MF's and the DF's secrets. */
const firstBody = 0x3400 + 4 * pageSize;
const endOfBodies = 0x7ec0;

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
  await liveOnce();
  const tally = new Tally();
  const heap = process.memoryUsage().heapUsed;
  let round = ask.round ?? 0;
  let told = 0;
  while (tally.all < ask.answers) {
    const name = `${String(ask.seed)}/${String(round++)}`;
    const chance = chanceOf(`fuzz ${name}`);
    const kind = pick<keyof Tally["answers"]>(chance, [
      "readers",
      "characters",
      "inspection",
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
          case "line":
            await liveWith(chance, tally);
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
    ends: tally.ends,
    slowestSeconds: tally.slowest,
    heapGrowth: (process.memoryUsage().heapUsed - heap) / 2 ** 20,
  };
}
