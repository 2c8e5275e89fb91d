/** A room with an embosser, for lines on virtual time: it outlives them, and strikes what lies in the trays that were carried to it. */
import type { TrayCard, TrayCount, TrayRoom } from "../devices/marker/port.js";
import { DeviceFault } from "../devices/problem.js";
import type { Bench } from "./bench.test.data.js";

interface Known {
  readonly cards: readonly TrayCard[];
  readonly states: Map<string, TrayCount["cards"][number]["state"]>;
  closed: boolean;
}

export class Room {
  readonly trays = new Map<string, Known>();
  /** What was struck on each body, by its label: more than one line is a double strike. */
  readonly struck = new Map<string, string[]>();
  /** Trays not counted in, at most at once. */
  most = 0;
  /** Cards that its machine does not confirm, by record. */
  spoils: readonly number[] = [];
  /** It begins no card. */
  stands = false;
  /** Nobody answers. */
  deaf = false;
  /** Nor when a tray is counted in. */
  deafAtEnd = false;
  #strangers = 0;
  #looks = 0;

  constructor(
    readonly options: {
      readonly cards: number;
      readonly trays: number;
      /** Looks at a tray until the next card is struck. */
      readonly slow?: number;
    },
  ) {}

  /** The end of a line's side; each line has one of its own. */
  at = (bench: Bench): TrayRoom => {
    const answer = async <T>(what: () => T): Promise<T> => {
      await Promise.resolve();
      if (this.deaf) throw new DeviceFault("room", "unplugged", "room: no connection");
      return what();
    };
    return {
      name: "room",
      does: "emboss",
      cards: this.options.cards,
      trays: this.options.trays,
      patienceMs: 60_000,
      countOut: (tray, cards) =>
        answer(() => {
          if (!this.trays.has(tray)) {
            const states = new Map(cards.map(({ serial }) => [serial, "waiting" as const]));
            this.trays.set(tray, { cards, states, closed: false });
            this.most = Math.max(this.most, this.open().length);
          }
          return this.#count(tray);
        }),
      state: (tray) =>
        answer(() => {
          if (!this.trays.has(tray)) return undefined;
          if (++this.#looks % (this.options.slow ?? 1) === 0) this.strike(bench);
          return this.#count(tray);
        }),
      withdraw: (tray) =>
        answer(() => {
          const { states } = this.#known(tray);
          for (const [serial, state] of states) if (state === "waiting") states.set(serial, "untouched");
          return this.#count(tray);
        }),
      countIn: (tray, told) =>
        answer(() => {
          const known = this.#known(tray);
          if (this.deafAtEnd) throw new DeviceFault("room", "unplugged", "room: no connection");
          if (JSON.stringify(told.cards) !== JSON.stringify(this.#count(tray).cards))
            throw new DeviceFault("room", "refused", "room: other numbers than its own");
          known.closed = true;
          return { ...this.#count(tray), receipt: `receipt ${tray}` };
        }),
      openTrays: () => answer(() => this.open()),
      now: () => bench.world.now(),
      pause: () => bench.world.sleep(500),
    };
  };

  open = (): string[] => [...this.trays].flatMap(([tray, { closed }]) => (closed ? [] : [tray]));

  /** The next body of any tray that is here: what its chip says decides. */
  strike(bench: Bench): void {
    if (this.stands) return;
    for (const { label, dir } of [...bench.floor.bodies().values()].reverse()) {
      if (!dir.includes("/elsewhere/")) continue;
      const serial = bench.accounts.rows.get(label)?.blank.serial ?? "";
      for (const { cards, states, closed } of this.trays.values()) {
        const card = cards.find((one) => one.serial === serial);
        if (card === undefined || closed || states.get(serial) !== "waiting") continue;
        this.struck.set(label, [...(this.struck.get(label) ?? []), card.lines[0]?.text ?? ""]);
        states.set(serial, this.spoils.includes(card.record) && card.attempt === 1 ? "rejected" : "struck");
        return;
      }
    }
  }

  #known(tray: string): Known {
    const known = this.trays.get(tray);
    if (known === undefined) throw new DeviceFault("room", "refused", `room: no tray ${tray}`);
    return known;
  }

  #count(tray: string): TrayCount {
    const { cards, states, closed } = this.#known(tray);
    const ends = cards.map(({ serial }) => ({ serial, state: states.get(serial) ?? ("waiting" as const) }));
    const finished = ends.every(({ state }) => state !== "waiting");
    const stands = this.stands ? { stands: "the port cannot be opened" } : {};
    return { digest: tray, finished, closed, cards: ends, strangers: this.#strangers, ...stands };
  }
}
