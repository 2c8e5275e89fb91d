/** A desk: one reader, and a person who puts cards in and takes them out. What the reader sees is what happened; keys are a convenience. */
import { DeviceFault } from "../problem.js";
import type { DeskBook } from "./desk-book.js";
import type { Place, Transport } from "./port.js";

/** What the line and the person at the desk say to each other. */
export interface Desk {
  /** Something to do, in words. */
  tell(text: string): void;
  /** The next line that is typed; absent where there is no keyboard. */
  readonly typed?: ((signal: AbortSignal) => Promise<string>) | undefined;
}

export interface OperatorOptions {
  readonly desk: Desk;
  readonly book: DeskBook;
  /** False when `ms` have passed. Throws DeviceFault. */
  readonly awaitCard: (card: "present" | "absent", ms: number) => Promise<boolean>;
  /** The number printed on the body of the card in the reader, as its chip tells; undefined when it does not. Throws DeviceFault. */
  readonly identify: () => Promise<string | undefined>;
  /** Of one card, for the planner. */
  readonly moveMs: number;
}

export interface OperatorTransport extends Transport {
  /** The person need not bring further cards: whoever waits for one hears that there is none. */
  stop(): void;
}

/** So long one look at the reader lasts; then it is asked whether anybody still waits. */
const lookMs = 500;
const noMore = /^(e|end|q|quit)$/i;

export function operatorTransport(options: OperatorOptions): OperatorTransport {
  const { desk, book, awaitCard, identify, moveMs } = options;
  let stopped = false;

  /** True when the card came (or went); false when the person, or the line, has had enough. */
  const until = async (card: "present" | "absent", mayEnd: boolean): Promise<boolean> => {
    const listening = new AbortController();
    let ended = false;
    const listen = async (): Promise<void> => {
      while (desk.typed !== undefined) {
        if (noMore.test((await desk.typed(listening.signal)).trim())) {
          ended = true;
          return;
        }
      }
    };
    // Ends with the wait: an abort is how it is told.
    if (mayEnd) listen().catch(() => undefined);
    try {
      while (!(await awaitCard(card, lookMs))) if (mayEnd && (ended || stopped)) return false;
      return true;
    } finally {
      listening.abort();
    }
  };

  /** A card that does not tell who it is: the number on its body does, if somebody can type it. */
  const readBody = async (): Promise<string | undefined> => {
    if (desk.typed === undefined) return undefined;
    desk.tell(
      "This card does not say who it is. Type the number printed on it, or only Enter to put it aside.",
    );
    const text = (await desk.typed(new AbortController().signal)).trim();
    return text === "" ? undefined : text;
  };

  return {
    kind: "real",
    moveMs,
    feed: async (to) => {
      if (stopped) return "empty";
      desk.tell(
        desk.typed === undefined
          ? "Insert the next card."
          : "Insert the next card. (No more cards: type e and Enter.)",
      );
      if (!(await until("present", true))) return "empty";
      const told = await identify();
      const label = told ?? (await readBody());
      book.put(label, to);
      return { label, ...(told === undefined ? {} : { byChip: true }) };
    },
    move: async (from, to, again) => {
      const lying = book.atHead();
      if (from.at !== "head" || lying === undefined) {
        throw new DeviceFault("desk", "jam", "there is no card at the reader that could be moved");
      }
      desk.tell(
        again === "again" && to.at === "good"
          ? `BACK: ${capital(named(lying.label))} was made already: take it out and put it back into the good tray of order ${to.order}, place ${String(to.slot)}.`
          : wordsFor(to, lying.label),
      );
      await until("absent", false);
      book.put(lying.label, to);
    },
    occupied: async () => {
      const lying = book.atHead();
      if (lying === undefined) return [];
      if (!(await awaitCard("present", 0))) {
        desk.tell(`Put ${named(lying.label)} back into the reader: it was being worked on.`);
        if (!(await until("present", true))) {
          throw new DeviceFault("desk", "refused", `${named(lying.label)} was not put back into the reader`);
        }
      }
      return [lying];
    },
    stop: () => {
      stopped = true;
    },
  };
}

const named = (label: string | undefined): string =>
  label === undefined ? "the card without a readable number" : `card ${label}`;

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function wordsFor(to: Place, label: string | undefined): string {
  const take = `Take ${named(label)} out and put it`;
  switch (to.at) {
    case "good":
      return `GOOD: ${take} into the good tray, place ${String(to.slot)}.`;
    case "reject":
      return `REJECT: ${take} into the reject tray.`;
    case "hold":
      return `ASIDE: ${take} aside, for people to look at.`;
    case "hopper":
      return `BACK: ${take} back to the blanks.`;
    case "head":
    case "queue":
      throw new DeviceFault("desk", "refused", "a desk has one reader and no queue");
  }
}
