/** A line of plain stations over a real shop floor on virtual time: for tests of how cards move, whatever is done to them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StatusWord } from "@persoline/card/apdu";
import { unhex } from "@persoline/card/bytes";
import type { CardProgram, Outcome, RejectCode, World } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import { afterEach } from "vitest";
import type { Marker, TrayRoom } from "../devices/marker/port.js";
import type { Reader } from "../devices/reader/port.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { simulatedCarousel } from "../devices/transport/simulated.js";
import { openTrayBook } from "../store/tray-book.js";
import type { PreparedRecord } from "../plan/types.js";
import { Line } from "./line.js";
import type { LineEvent, LineResult } from "./line-types.js";
import { MemoryAccounts, MemoryJournal } from "./memory.test.data.js";
import {
  type CardInWork,
  type Station,
  type Surroundings,
  usualLimits,
  usualOutside,
  type Work,
  workOrder,
} from "./station.js";
import { virtualWorld } from "./world.js";

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

const nobody = (): never => {
  throw new Error("not asked for in this test");
};

const emptyProgram = { name: "none", segments: [] };
/** One segment that changes the card: enough for an intent and an outcome. */
const terminating: CardProgram = {
  name: "termination",
  segments: [
    {
      name: "end",
      channel: "plain",
      steps: [
        {
          cla: 0x80,
          ins: 0xe6,
          p1: 0,
          p2: 0,
          data: [],
          sw: [{ value: 0x9000, mask: 0xffff }],
          again: "same",
          changes: true,
          why: "end the card",
          clause: "test",
          cost: { pages: 1 },
        },
      ],
    },
  ],
};
/** Silent, or a chip that knows its number and takes `ms` for every other command. */
const readerOf = (serial: () => string | undefined, ms: number | undefined, world: World): Reader => ({
  name: "bench reader",
  kind: "simulated",
  insert: () =>
    Promise.resolve(
      ms === undefined
        ? "mute"
        : {
            atr: new Uint8Array(0),
            findings: [],
            channel: {
              exchange: async ([sent]) => {
                const sw = 0x9000 as StatusWord;
                if (sent?.command.ins === 0xca) return [{ data: unhex(`CF0A${serial() ?? ""}`), sw }];
                await world.sleep(ms);
                return [{ data: new Uint8Array(0), sw }];
              },
            },
          },
    ),
  reseat: () => Promise.resolve(),
  remove: () => Promise.resolve(),
});
const noChip: VirtualCard = {
  powerOn: () => undefined,
  warmReset: () => undefined,
  powerOff: () => undefined,
  transmit: () => undefined,
  elapsedMicros: 0,
  counters: { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 },
};

/** What a visit does in a test, after its time has passed. */
export type Act = (card: CardInWork, head: number, world: World) => Outcome | Promise<Outcome>;

export interface BenchOptions {
  readonly blanks?: number;
  readonly records?: number;
  readonly heads?: Partial<Record<Work, number>>;
  readonly queue?: number;
  readonly visitMs?: Partial<Record<Work, number>>;
  readonly moveMs?: number;
  readonly acts?: Partial<Record<Work, Act>>;
  readonly jams?: readonly number[];
  /** After so many blanks whoever brings them has had enough. */
  readonly feeds?: number;
  readonly attempts?: number;
  /** Which work shares a place; absent: each has its own. */
  readonly stations?: readonly (readonly Work[])[];
  /** Chips answer, and ending a rejected one takes so long; without it they are silent. */
  readonly endingMs?: number;
  /** Where the cards' marks are made in another room. */
  readonly room?: (bench: Bench) => TrayRoom;
}

const lineOf = (text: string) => ({ text, font: "4B" as const, x: 7.65, yFromBottom: 6.6, pitch: 2.54 });
const embosserIn = (room: TrayRoom): Marker => ({
  name: room.name,
  kind: "simulated",
  does: "emboss",
  geometry: { does: "emboss", across: { from: 0, to: 85 }, up: { from: 0, to: 54 } },
  duration: () => 1,
  mark: nobody,
  room,
});

export const passed: Outcome = { kind: "passed" };
export const rejected = (code: RejectCode): Outcome => ({ kind: "rejected", code, detail: "planted" });
export const numberOf = (label: string): number => Number(label.slice(-6));
/** Rejects the blanks with these numbers. */
export const bad =
  (code: RejectCode, ...numbers: number[]) =>
  ({ label }: { readonly label: string }): Outcome =>
    numbers.includes(numberOf(label)) ? rejected(code) : passed;

/** Shop floor, accounts and journal outlive lines and worlds, as they outlive processes. */
export class Bench {
  readonly floor: ShopFloor;
  readonly accounts: MemoryAccounts;
  readonly journal = new MemoryJournal();
  options: BenchOptions;
  readonly events: LineEvent[] = [];
  /** Its book of trays. */
  readonly trays: string;
  line!: Line;
  world!: ReturnType<typeof virtualWorld>;

  constructor(options: BenchOptions = {}) {
    this.options = options;
    const root = mkdtempSync(join(tmpdir(), "persoline-line-"));
    roots.push(root);
    this.trays = join(root, "trays.jsonl");
    this.floor = new ShopFloor(root, { fabricate: () => new Uint8Array(0), power: () => noChip });
    const stock = this.floor.makeLot({
      lot: "L",
      count: options.blanks ?? 12,
      seed: 1,
      faults: [],
      flaws: [],
    });
    this.accounts = new MemoryAccounts(stock, options.records ?? 10, options.attempts);
    this.newLine();
  }

  /** A new process: nothing but floor, accounts and journal is known. */
  newLine(): Line {
    const { heads = {}, queue = 2, moveMs = 100, jams = [], feeds = Infinity } = this.options;
    this.world = virtualWorld({ seed: 1 });
    const surroundings: Surroundings = {
      world: this.world,
      hsm: {
        openSession: nobody,
        authenticate: nobody,
        unwrap: nobody,
        closeSession: nobody,
        openProof: nobody,
        judgeProof: nobody,
      },
      journal: this.journal,
      product: {
        name: "test",
        columns: [],
        pins: [],
        atr: { blank: new Uint8Array(0), completed: new Uint8Array(0) },
        test: emptyProgram,
        completion: emptyProgram,
        initialisation: emptyProgram,
        termination: terminating,
        terminationInitial: emptyProgram,
      },
      limits: usualLimits,
      outside: usualOutside,
      sha256: nobody,
      makeStripe: () => undefined,
      hmacSha256: () => new Uint8Array(32),
      makeMarks: (_, record) =>
        Promise.resolve([
          { kind: "emboss", side: "front", lines: [lineOf(`RECORD ${String(record.number)}`)] },
        ]),
      judgeFaces: nobody,
      keepPicture: nobody,
    };
    const prepared = (number: number): PreparedRecord => ({
      number,
      personalization: emptyProgram,
      proof: emptyProgram,
      faces: [],
      emboss: [],
    });
    const room = this.options.room?.(this);
    const carousel = simulatedCarousel({ floor: this.floor, world: this.world, moveMs, jams });
    let fed = 0;
    this.line = new Line({
      name: "bench",
      order: "A-1",
      stations: (this.options.stations ?? workOrder.map((work) => [work])).map(
        ([name = "quality", ...more]) => ({
          name,
          works: [name, ...more].map((work) => this.#station(work)),
          queue,
          heads: Array.from({ length: heads[name] ?? 1 }, (_, number) => ({
            station: name,
            number,
            reader: readerOf(() => this.#serialAt(name, number), this.options.endingMs, this.world),
            markers: name === "visual" && room !== undefined ? [embosserIn(room)] : [],
            camera: undefined,
            encoder: undefined,
          })),
        }),
      ),
      transport: {
        ...carousel,
        feed: (to) => (fed++ < feeds ? carousel.feed(to) : Promise.resolve("ended")),
      },
      accounts: this.accounts,
      journal: this.journal,
      ...(room === undefined ? {} : { trays: openTrayBook(this.trays) }),
      prepareRecord: ({ record }) => Promise.resolve(prepared(record.number)),
      surroundings,
      onEvent: (event) => this.events.push(event),
    });
    return this.line;
  }

  run(): Promise<LineResult> {
    return this.world.run(() => this.line.run());
  }

  /** Runs until `ms` have passed on the world's clock, then stops thinking: what was under way never ends. */
  runUntil(ms: number): Promise<LineResult | "killed"> {
    const { world, line } = this;
    return world.run(() => Promise.race([line.run(), world.sleep(ms).then(() => "killed" as const)]));
  }

  /** Where every body lies, by label. */
  places(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.floor
        .census()
        .map(({ label, place }) => [label, place.at === "good" ? `good ${String(place.slot)}` : place.at]),
    );
  }

  #serialAt(station: string, head: number): string | undefined {
    const label = this.floor.bodyAt({ at: "head", station, head })?.label;
    return label === undefined ? undefined : this.accounts.rows.get(label)?.blank.serial;
  }

  #station(name: Work): Station {
    return {
      name,
      visit: async (card, { head, world }) => {
        await world.sleep(this.options.visitMs?.[name] ?? 1000);
        const outcome = (await this.options.acts?.[name]?.(card, head.number, world)) ?? passed;
        if (name === "visual" && head.markers.length > 0 && card.tray !== "done") card.tray = "due";
        return outcome;
      },
    };
  }
}

/** Differences between where bodies lie and what the accounts say; none when all is well. */
export function disagreements(bench: Bench): string[] {
  const places = bench.places();
  return [...bench.accounts.rows.values()].flatMap(({ blank, record }) => {
    const expected = {
      "in-stock": "hopper",
      "in-process": "head",
      held: "hold",
      good: `good ${String(record)}`,
      rejected: "reject",
      sample: "",
      destroyed: "",
      returned: "",
    }[blank.state];
    const place = places[blank.label];
    const agrees = place === expected || (expected === "head" && (place === "queue" || place === "tray"));
    return agrees ? [] : [`${blank.label} is ${blank.state}, but lies at ${String(place)}`];
  });
}
