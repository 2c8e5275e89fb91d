import type { Fault } from "./types.js";

type Kind = Fault["kind"];
type Of<K extends Kind> = Extract<Fault, { kind: K }>;

/** The planted faults of one card, and how far each has come. */
export class FaultPlan {
  readonly #faults: readonly Fault[];
  readonly #seen = new Map<number, number>();
  readonly #weak: ReadonlySet<number>;
  readonly flipsBack: ReadonlySet<number>;
  readonly slowness: number;
  #powerUps = 0;
  #writes = 0;
  #macs = 0;
  #died = false;

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
    this.#weak = new Set(this.#all("weak-page").map((fault) => fault.page));
    this.flipsBack = new Set(this.#all("flips-back").map((fault) => fault.page));
    this.slowness = this.#all("slow").reduce((product, fault) => product * fault.factor, 1);
  }

  #all<K extends Kind>(kind: K): Of<K>[] {
    return this.#faults.filter((fault): fault is Of<K> => fault.kind === kind);
  }

  has(kind: "rom-fault" | "ram-fault" | "wrong-loader-key"): boolean {
    return this.#faults.some((fault) => fault.kind === kind);
  }

  isWeak(page: number): boolean {
    return this.#weak.has(page);
  }

  powerUp(): void {
    this.#powerUps++;
  }

  /** Whether the contacts and the core are good enough for an ATR now. */
  get answersReset(): boolean {
    if (this.#died || this.#faults.some((fault) => fault.kind === "dead")) return false;
    return this.#all("bad-seat").every((fault) => this.#powerUps > fault.times);
  }

  get wrongAtr(): Uint8Array | undefined {
    return this.#all("wrong-atr")[0]?.atr;
  }

  /** Counts one command; "mute" from its very arrival on, so it is not carried out. */
  command(ins: number): "answers" | "mute" {
    if (this.#died) return "mute";
    let mute = false;
    for (const [index, fault] of this.#faults.entries()) {
      if ((fault.kind !== "mute-at" && fault.kind !== "dies-at") || fault.ins !== ins) continue;
      const seen = (this.#seen.get(index) ?? 0) + 1;
      this.#seen.set(index, seen);
      if (seen !== fault.nth) continue;
      mute = true;
      if (fault.kind === "dies-at") this.#died = true;
    }
    return mute ? "mute" : "answers";
  }

  /** Counts one page write; true when the power fails in the middle of it. */
  tearsNow(): boolean {
    this.#writes++;
    return this.#faults.some((fault) => fault.kind === "torn-at" && fault.write === this.#writes);
  }

  lies(ins: number): boolean {
    return this.#faults.some((fault) => fault.kind === "lying" && fault.ins === ins);
  }

  /** The value of a data grouping as it is kept; not the lowest bit of a byte, which DES keys have no use for. */
  stored(grouping: number, value: Uint8Array): Uint8Array {
    const wrong = this.#all("stores-wrong").filter((fault) => fault.grouping === grouping);
    return value.map((byte, at) => (wrong.some((fault) => fault.byte === at) ? byte ^ 0x10 : byte));
  }

  saysTooMuch(ins: number): boolean {
    return this.#faults.some((fault) => fault.kind === "over-long" && fault.ins === ins);
  }

  /** Counts one response MAC; true when it is to be wrong. */
  spoilsMac(): boolean {
    this.#macs++;
    return this.#faults.some((fault) => fault.kind === "bad-mac" && fault.nth === this.#macs);
  }
}
