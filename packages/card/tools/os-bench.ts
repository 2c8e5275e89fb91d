// A completed card on the bench: what the tests of its operating system begin with.
import { hex, unhex } from "../src/bytes/index.js";
import { type Fault, memoryStore, type PersolineCard } from "../src/virtual/index.js";
import { complete, fresh, image12, keys as initial, on, powered, say } from "./bench.js";
import { type HostKeys, type Level, Scp03Host } from "./scp03-host.js";

const [enc = new Uint8Array(16), mac = enc, dek = enc] = initial;
export const keySet: HostKeys = { enc, mac, dek };

const completed = new Map<Uint8Array, Uint8Array>();

/** EEPROM of a card with this image, after its first reset with the operating system. */
export function completedStore(image: Uint8Array = image12): ReturnType<typeof memoryStore> {
  let content = completed.get(image);
  if (content === undefined) {
    const { store, card } = fresh();
    powered(card);
    const end = complete(card, image);
    if (end !== "9000") throw new Error(`completion ended with ${end}`);
    powered(card);
    content = store.load();
    completed.set(image, content);
  }
  return memoryStore(content);
}

/** A card that stands on the bench: powered, with sessions opened and commands wrapped when asked. */
export class Bench {
  readonly store: ReturnType<typeof memoryStore>;
  card: PersolineCard;
  host: Scp03Host | undefined;

  constructor(store = completedStore(), ...faults: readonly Fault[]) {
    this.store = store;
    this.card = on(store, ...faults);
    powered(this.card);
  }

  /** The same silicon again, from power-on; faults are those given now. */
  again(...faults: readonly Fault[]): string {
    this.card = on(this.store, ...faults);
    this.host = undefined;
    return powered(this.card);
  }

  reset(): void {
    this.host = undefined;
    powered(this.card);
  }

  /** Plain; "mute" when silent. */
  say(command: string): string {
    return say(this.card, command.replaceAll(" ", ""));
  }

  open(level: Level = 0x33, keys: HostKeys = keySet, kvn = 0): string {
    const host = new Scp03Host(keys, level);
    const answer = this.card.transmit(host.initialize(kvn));
    if (answer === undefined) return "mute";
    if (answer.length < 34) return hex(answer);
    if (!host.accepts(answer)) return "refused";
    const opened = say(this.card, host.authenticate());
    this.host = opened === "9000" ? host : undefined;
    return opened;
  }

  /** In the session; "bad R-MAC" when the answer is not to be believed. */
  safe(command: string): string {
    if (this.host === undefined) throw new Error("no session is open");
    const answer = this.card.transmit(this.host.wrap(unhex(command.replaceAll(" ", ""))));
    if (answer === undefined) return "mute";
    const plain = this.host.unwrap(answer);
    return plain === undefined ? "bad R-MAC" : hex(plain);
  }

  /** Page writes of what is done in between. */
  writes(work: () => void): number {
    const before = this.card.counters.pagesWritten;
    work();
    return this.card.counters.pagesWritten - before;
  }

  blocks(work: () => void): number {
    const before = this.card.counters.aesBlocks;
    work();
    return this.card.counters.aesBlocks - before;
  }
}

const count = (value: string): string => hex(Uint8Array.of(value.length / 2));

/** An object in hex: tag, length, value. */
export const tlv = (tag: string, ...values: readonly string[]): string => {
  const value = values.join("");
  return tag + count(value) + value;
};

/** A case 3 command from header and data. */
export const command = (header: string, data: string): string =>
  header.replaceAll(" ", "") + count(data) + data;

export const create = (...objects: readonly string[]): string => command("00E00000", tlv("62", ...objects));
export const createMf = create("820138", "83023F00");
/** Access rules: READ always, UPDATE under secure messaging, ACTIVATE and DEACTIVATE too. */
export const openRules = tlv("AB", "8001019000", "80011E9E0140");

/** What is answered otherwise than expected, or costs other page writes, where a step says how many. */
export function wrong(
  bench: Bench,
  steps: readonly (readonly [command: string, answer: string, pages?: number])[],
): string[] {
  return steps.flatMap(([sent, expected, pages]) => {
    let heard = "";
    const spent = bench.writes(() => {
      heard = bench.say(sent);
    });
    return [
      ...(heard === expected ? [] : [`${sent}: ${heard} instead of ${expected}`]),
      ...(pages === undefined || pages === spent ? [] : [`${sent}: ${spent} pages instead of ${pages}`]),
    ];
  });
}
