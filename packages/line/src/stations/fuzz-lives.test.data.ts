/**
 * Whole lives of hostile cards on the line, of every kind of product: visit after visit, with answers spoiled on their way and the process
 * killed in between. A card that is passed must be good, and no counter of tries may have lost more than one.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { equal } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type {
  CardProgram,
  Note,
  Outcome,
  SealedSecrets,
  SecurityModule,
  Serial,
} from "@persoline/card/program";
import { makeDesfireCard, makeVirtualCard, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { orderFor, sessionsOf } from "../devices/hsm/order.test.data.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import { type Chance, chance as chanceOf } from "../devices/shop-floor/random.js";
import { isResume, journalStates } from "../ledger/journal.js";
import type { JournalState } from "../ledger/types.js";
import type { OrderRecord } from "../orders/types.js";
import * as desfire from "../plan/desfire/life.test.data.js";
import { compileForeign } from "../plan/foreign/compile.js";
import { parseForeign } from "../plan/foreign/product.js";
import * as gp from "../plan/gp/life.test.data.js";
import * as office from "../plan/life.test.data.js";
import { prepare } from "../plan/prepare.js";
import type { AnyPlanned, PreparedRecord } from "../plan/types.js";
import { Challenges } from "./challenges.js";
import { chipProof, completion, electricalTest, initialisation, personalization } from "./chip.js";
import { bytesOf, pick, whole } from "./fuzz-answers.test.data.js";
import { type Hostility, HostileCard, Killed } from "./fuzz-card.test.data.js";
import { blankForeign, ForeignCard, triesBurnt } from "./fuzz-foreign.test.data.js";
import { remind } from "./history.js";
import {
  type CardInWork,
  newCard,
  usualLimits,
  usualOutside,
  type Visit,
  type Work,
  works,
} from "./station.js";
import { idealWorld } from "./world.js";

const way = [electricalTest, completion, initialisation, personalization, chipProof] as const;

/** A chip at a head. */
interface Chip {
  readonly card: VirtualCard;
  readonly content: () => Uint8Array;
  /** Tries that are gone, counted in the chip itself. */
  readonly burnt: () => number;
}

/** One kind of card: what the line knows of it, and how its chips are. */
export interface Kind {
  readonly name: string;
  readonly product: AnyPlanned;
  readonly serial: Serial;
  readonly record: OrderRecord;
  readonly prepared: PreparedRecord;
  readonly hsm: SecurityModule;
  readonly secrets: SealedSecrets;
  readonly blank: () => Uint8Array;
  readonly chip: (content: Uint8Array, chance: Chance) => Chip;
  /** What may be gone at the end, whatever the card did; `unknown`: so many proofs were sent whose answers never came. */
  readonly mayBurn: (unknown: number) => number;
  /** What of a passed card's memory is not as an untroubled one's; absent: an honest proof is asked. */
  readonly wrongIn?: (content: Uint8Array, untroubled: Uint8Array) => readonly string[];
  /** One bit of a finished card that its proof must notice. */
  readonly spoil?: (content: Uint8Array, chance: Chance) => void;
}

const programsIn = (product: AnyPlanned, prepared: PreparedRecord): readonly CardProgram[] => [
  product.test,
  product.completion,
  product.initialisation,
  prepared.personalization,
  prepared.proof,
];

function gpKind(name: string, text: string): Kind {
  const product = gp.planned(text);
  const prepared = prepare(product, gp.record, { order: "GP-26-1" });
  const secrets = gp.secretsOf(programsIn(product, prepared));
  return {
    name,
    product,
    serial: gp.serial,
    record: gp.record,
    prepared,
    secrets,
    hsm: sessionsOf(gp.calls, secrets.order),
    blank: () => gp.chip(product),
    chip: (content, chance) => {
      const eeprom = memoryStore(content);
      const random = (length: number): Uint8Array => bytesOf(chance, length);
      return {
        card: makeVirtualCard({ eeprom, random, crypto: nodeCrypto }),
        content: () => eeprom.load(),
        burnt: () => 10 - gp.triesIn(eeprom.load()),
      };
    },
    mayBurn: () => 0,
  };
}

function desfireKind(name: string, text: string): Kind {
  const product = desfire.planned(text);
  const prepared = prepare(product, desfire.record, { order: "2026-320" });
  const order = orderFor(desfire.calls, programsIn(product, prepared));
  return {
    name,
    product,
    serial: desfire.serial,
    record: desfire.record,
    prepared,
    secrets: { order, record: 1, pins: {} },
    hsm: sessionsOf(desfire.calls, order),
    blank: desfire.chip,
    chip: (content, chance) => {
      const eeprom = memoryStore(content);
      const random = (length: number): Uint8Array => bytesOf(chance, length);
      const card = makeDesfireCard({ eeprom, faults: [], random, crypto: nodeCrypto });
      const transmit = card.transmit.bind(card);
      let refused = 0;
      card.transmit = (apdu) => {
        const answer = transmit(apdu);
        // AUTHENTICATION_ERROR to a second frame: where a card counts, this is what it counts.
        if (apdu[1] === 0xaf && answer?.at(-1) === 0xae) refused++;
        return answer;
      };
      return { card, content: () => eeprom.load(), burnt: () => refused };
    },
    // The card proves nothing before the host does: a challenge that was spoiled on its way is answered wrongly, once.
    mayBurn: (unknown) => 1 + unknown,
  };
}

const example = new URL("../../../../examples/products/foreign-badge/product.yaml", import.meta.url);
const foreignText = readFileSync(example, "utf8");
const refused = (): Promise<never> => Promise.reject(new Error("no secure channel"));

/** `rightPin`: the one that the card has. Another one costs a try, and whoever says it is right is a liar nobody can find out. */
function foreignKind(name: string, text: string, rightPin: boolean): Kind {
  const read = parseForeign(text, "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const product = compileForeign(read.product);
  const record: OrderRecord = {
    number: 3,
    row: 4,
    fields: { name: "Žofia O’Brien-Иванова", zones: ["YARD", "CRANE", "VAULT"] },
    photos: {},
  };
  return {
    name,
    product,
    serial: "F5000000000000000107" as Serial,
    record,
    prepared: prepare(product, record, { order: "2026-420" }),
    secrets: { order: "2026-420", record: 3, pins: {} },
    hsm: {
      openSession: refused,
      authenticate: refused,
      unwrap: refused,
      closeSession: refused,
      openProof: refused,
      judgeProof: refused,
    },
    blank: blankForeign,
    chip: (content) => {
      const card = new ForeignCard(product.atr.blank, content);
      return { card, content: () => card.content(), burnt: () => triesBurnt(card.content()) };
    },
    mayBurn: () => (rightPin ? 0 : 1),
    wrongIn: (content, untroubled) =>
      rightPin && !equal(content, untroubled)
        ? [`files that are others: ${Buffer.from(content).toString()}`]
        : [],
  };
}

function officeKind(): Kind {
  return {
    name: "Persoline",
    product: office.office,
    serial: office.serial,
    record: office.record,
    prepared: prepare(office.office, office.record, { order: "OF-26-1" }),
    secrets: office.secrets,
    hsm: office.hsm,
    blank: office.blank,
    chip: (content, chance) => {
      const eeprom = memoryStore(content);
      const random = (length: number): Uint8Array => bytesOf(chance, length);
      return {
        card: makeVirtualCard({ eeprom, random, crypto: nodeCrypto }),
        content: () => eeprom.load(),
        burnt: () => 10 - (office.pairAt(eeprom.load(), 0x01c0)[0] ?? 10),
      };
    },
    mayBurn: () => 0,
    wrongIn: (content) => office.sameCard(office.contentBefore("end"), content).filter(concerns),
    spoil: spoilMemory,
  };
}

/** Made when the first card of its kind comes. The wrong PIN must cost one try, whatever happens on the way. */
const makers: readonly [() => Kind, ...(() => Kind)[]] = [
  officeKind,
  () => gpKind("SCP03 with a PIN", gp.withPin(gp.productText)),
  () => gpKind("SCP02", gp.scp02Text),
  () => gpKind("SCP11a", gp.scp11Text),
  () => desfireKind("DESFire EV2", desfire.productText),
  () => desfireKind("DESFire EV1", desfire.ev1Text),
  () => foreignKind("foreign", foreignText, true),
  () => foreignKind("foreign, another PIN", foreignText.replace('"1234"', '"4321"'), false),
];
interface Known {
  readonly kind: Kind;
  /** Memory of an untroubled card before each station, and after the last that it passes. */
  readonly before: readonly Uint8Array[];
}
const known = new Map<number, Promise<Known>>();
function knownKind(number: number): Promise<Known> {
  const made = known.get(number) ?? untroubled((makers[number] ?? makers[0])());
  known.set(number, made);
  return made;
}

async function untroubled(kind: Kind): Promise<Known> {
  const before = [kind.blank()];
  for (const [at, station] of way.entries()) {
    const life = new Life(kind, before[at] ?? kind.blank(), at, chanceOf("untroubled"), {
      after: 0,
      rate: 0,
      most: 0,
    });
    const end = await life.visit(station);
    before.push(life.chip.content());
    // The card with another PIN ends there.
    if (end.kind !== "passed" && station !== chipProof)
      throw new Error(`${kind.name}, ${station.name}, untroubled: ${JSON.stringify(end)}`);
  }
  return { kind, before };
}

/** One card on its way, over all kills. */
class Life {
  readonly chip: Chip;
  readonly card: HostileCard;
  readonly #kind: Kind;
  readonly #notes: Note[] = [];
  readonly #world = idealWorld();
  readonly #chance: Chance;
  readonly #passed: Work[];
  #resumes = 0;
  #unnoted: number;
  #inWork: CardInWork;

  constructor(kind: Kind, content: Uint8Array, from: number, chance: Chance, how: Hostility) {
    this.#kind = kind;
    this.#chance = chance;
    this.chip = kind.chip(content, chance);
    this.card = new HostileCard(this.chip.card, chance, how);
    this.#unnoted = how.unnoted ?? 0;
    this.#passed = way.slice(0, from).map(({ name }) => name);
    this.#inWork = this.#taken();
  }

  /** As a process that begins knows it: by the accounts, and by the journal what was interrupted. */
  #taken(state?: JournalState): CardInWork {
    const last = this.#passed.at(-1);
    const stage = last === undefined ? "blank" : works[last];
    const blank = { label: "F-000001", serial: this.#kind.serial, stage, lot: "F", state: "in-process" };
    const interrupted = state && { resumes: state.resumes, ...(state.open && { open: state.open }) };
    const card = newCard(blank as never, { stage, passed: [...this.#passed], interrupted });
    if (state !== undefined) remind(card, state);
    const { prepared, record, secrets } = this.#kind;
    card.bound = { record, attempt: 1, prepared, secrets };
    return card;
  }

  /** One visit, taken up as often as the process is killed in it. */
  async visit(station: (typeof way)[number]): Promise<Outcome> {
    for (;;) {
      try {
        const { verdict } = this.#inWork;
        // What was found before the kill holds.
        if (verdict !== undefined) return { kind: "rejected", ...verdict };
        const outcome = await station.visit(this.#inWork, this.#surroundings());
        if (outcome.kind !== "passed") return outcome;
        if (this.#unnoted > 0 && this.#chance.next() < 0.5) {
          this.#unnoted--;
          throw new Killed();
        }
        const passed = { serial: this.#kind.serial, station: station.name, program: "", segment: 0 };
        this.#notes.push({ ...passed, event: "passed" });
        this.#passed.push(station.name);
        this.#inWork = this.#taken();
        return outcome;
      } catch (thrown) {
        if (!(thrown instanceof Killed)) throw thrown;
        const [state] = journalStates(this.#notes, new Map([[this.#kind.serial, this.#resumes]]));
        this.#inWork = this.#taken(
          state ?? { serial: this.#kind.serial, passed: [], history: [], resumes: 0 },
        );
      }
    }
  }

  #surroundings(): Visit {
    const { product, hsm } = this.#kind;
    const world = this.#world;
    return {
      world,
      hsm,
      journal: {
        write: (note) => {
          if (isResume(this.#notes.at(-1), note)) this.#resumes++;
          this.#notes.push(note);
          return Promise.resolve();
        },
      },
      product,
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
          floor: { cardAt: () => this.card },
          world,
          timing: "ideal",
        }),
        markers: [],
        camera: undefined,
        encoder: undefined,
      },
      challenges: new Challenges(),
    };
  }
}

export interface Lived {
  readonly kind: string;
  readonly answers: number;
  readonly end: string;
  /** Passed although an answer was spoiled. */
  readonly harmless: boolean;
}

/** From a station on, all that follow, as long as it passes. Throws when harm was done. */
export async function liveWith(chance: Chance): Promise<Lived> {
  const number = whole(chance, makers.length);
  const { kind, before } = await knownKind(number);
  const from = whole(chance, way.length);
  const content = (before[from] ?? kind.blank()).slice();
  if (from === way.length - 1 && chance.next() < 0.5) kind.spoil?.(content, chance);
  const life = new Life(kind, content, from, chance, {
    // Good for a while, then hostile at once or now and then.
    after: whole(chance, 60),
    rate: pick(chance, [0, 0.05, 0.3, 0.8]),
    most: pick(chance, [1, 1, 3, 1000]),
    kills: killsOf(chance),
    unnoted: pick(chance, [0, 0, 1]),
  });
  const wrong = (text: string): Error => new Error(`${kind.name}: ${text}`);
  let outcome: Outcome = { kind: "passed" };
  try {
    for (const station of way.slice(from)) {
      outcome = await life.visit(station);
      if (outcome.kind !== "passed") break;
    }
  } catch (thrown) {
    throw Object.assign(wrong(thrown instanceof Error ? (thrown.stack ?? "") : String(thrown)), {
      cause: thrown,
    });
  }
  if (outcome.kind === "halted") throw wrong(`the card stopped the line: ${outcome.detail}`);
  const burnt = life.chip.burnt();
  if (burnt > kind.mayBurn(life.card.tries.unknown)) throw wrong(`${String(burnt)} tries are gone`);
  if (outcome.kind === "passed") await mustBeGood(kind, life.chip.content(), before.at(-1));
  return {
    kind: kind.name,
    answers: life.card.answers,
    end: outcome.kind === "rejected" ? outcome.code : outcome.kind,
    harmless: outcome.kind === "passed" && life.card.spoiledAnswers > 0,
  };
}

/** None, one or two, among the first commands or far behind. */
function killsOf(chance: Chance): NonNullable<Hostility["kills"]> {
  const times = pick(chance, [0, 0, 1, 2]);
  return new Map(
    Array.from({ length: times }, () => [
      whole(chance, pick(chance, [12, 60, 300])),
      pick(chance, ["command", "answer"] as const),
    ]),
  );
}

/** Throws when its memory is another one than it must be, or an honest card with that memory does not pass. */
async function mustBeGood(
  kind: Kind,
  content: Uint8Array,
  untroubled: Uint8Array = new Uint8Array(0),
): Promise<void> {
  const wrong = kind.wrongIn?.(content, untroubled) ?? (await provedWrong(kind, content));
  if (wrong.length > 0) throw new Error(`${kind.name}: passed as good with ${wrong.join(", ")}`);
}

async function provedWrong(kind: Kind, content: Uint8Array): Promise<readonly string[]> {
  const honest = { after: 0, rate: 0, most: 0 };
  const end = await new Life(kind, content, way.length - 1, chanceOf("proof"), honest).visit(chipProof);
  return end.kind === "passed" ? [] : [end.kind === "rejected" ? `${end.code}: ${end.detail}` : end.kind];
}

/** One bit of what was put into files: neither left there by the EEPROM test nor FF since the file was created. */
function spoilMemory(content: Uint8Array, chance: Chance): void {
  const tested = office.contentBefore("completion");
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
  const [tested, end] = [office.contentBefore("completion"), office.contentBefore("end")];
  return tested.subarray(from, to).some((byte, at) => byte !== end[from + at]);
}
const pageSize = 64;
/** Bodies of files (docs/card-os.md 1), behind the page pairs of the MF's and the DF's secrets. */
const firstBody = 0x3400 + 4 * pageSize;
const endOfBodies = 0x7ec0;
