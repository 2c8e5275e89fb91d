/** A desk: one reader, and a person who puts cards in and takes them out. What the reader sees is what happened; keys are a convenience. */
import { DeviceFault } from "../problem.js";
import type { DeskBook } from "./desk-book.js";
import type { Place, Transport } from "./port.js";

/** What the line and the person at the desk say to each other. */
export interface Desk {
  /** Something to do, in words. */
  tell(text: string): void;
  /** What of it the line waits for from now on; undefined: for nothing any more. */
  awaits(text: string | undefined): void;
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
  /** The same of a card that was put back: nobody is asked, and no number is drawn. */
  readonly recognise: () => Promise<string | undefined>;
  /** Of one card, for the planner. */
  readonly moveMs: number;
}

export interface OperatorTransport extends Transport {
  /** Asks for the card that is in work and no longer in the reader. Throws DeviceFault when the person, or the line, has had enough. */
  putBack(): Promise<void>;
  /** The person need not bring further cards: whoever waits for one hears that there is none. */
  stop(): void;
}

/** Tells what there is to do, and is known to wait for it until the wait ends. */
export async function asked<T>(
  desk: Pick<Desk, "tell" | "awaits">,
  text: string,
  wait: () => Promise<T>,
): Promise<T> {
  desk.tell(text);
  desk.awaits(text);
  try {
    return await wait();
  } finally {
    desk.awaits(undefined);
  }
}

const gone = Symbol("gone");

/** So long one look at the reader lasts; then it is asked whether anybody still waits. */
const lookMs = 500;
const noMore = /^(e|end|q|quit)$/i;

export function operatorTransport(options: OperatorOptions): OperatorTransport {
  const { desk, book, awaitCard, identify, recognise, moveMs } = options;
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

  /** What the card tells, or `gone`: a person takes cards out whenever they like, and that is no fault of the reader. */
  const whileThere = async <T>(ask: () => Promise<T>): Promise<T | typeof gone> => {
    try {
      return await ask();
    } catch (thrown) {
      if (thrown instanceof DeviceFault && !(await awaitCard("present", 0))) return gone;
      throw thrown;
    }
  };

  const putBack = async (label: string | undefined): Promise<void> => {
    for (;;) {
      const back = `Put ${named(label)} back into the reader: it was being worked on.`;
      if (!(await asked(desk, back, () => until("present", true)))) {
        throw new DeviceFault("desk", "refused", `${named(label)} was not put back into the reader`);
      }
      const told = await whileThere(recognise);
      if (told === gone) continue;
      // One that does not say who it is, the stations judge.
      if (told === undefined || label === undefined || told === label) return;
      const other = `OTHER CARD: This is ${named(told)}, not ${named(label)}: take it out.`;
      if (!(await asked(desk, other, () => until("absent", true)))) {
        throw new DeviceFault("desk", "refused", `${named(label)} was not put back into the reader`);
      }
    }
  };

  /** A card that does not tell who it is: the number on its body does, if somebody can type it. */
  const readBody = async (): Promise<string | undefined> => {
    const { typed } = desk;
    if (typed === undefined) return undefined;
    const text = await asked(
      desk,
      "This card does not say who it is. Type the number printed on it, or only Enter to put it aside.",
      () => typed(new AbortController().signal),
    );
    return text.trim() || undefined;
  };

  return {
    kind: "real",
    moveMs,
    feed: async (to) => {
      if (stopped) return "empty";
      let words =
        desk.typed === undefined
          ? "Insert the next card."
          : "Insert the next card. (No more cards: type e and Enter.)";
      let told: string | undefined | typeof gone;
      for (;;) {
        if (!(await asked(desk, words, () => until("present", true)))) return stopped ? "empty" : "ended";
        told = await whileThere(identify);
        if (told !== gone) break;
        words = "The card was taken out before it could be read: insert it again.";
      }
      const label = told ?? (await readBody());
      book.put(label, to);
      return { label, ...(told === undefined ? {} : { byChip: true }) };
    },
    move: async (from, to, again) => {
      const lying = book.atHead();
      if (from.at !== "head" || lying === undefined) {
        throw new DeviceFault("desk", "jam", "there is no card at the reader that could be moved");
      }
      const words =
        again === "again" && to.at === "good"
          ? `BACK: ${capital(named(lying.label))} was made already: take it out and put it back into the good tray of order ${to.order}, place ${String(to.slot)}.`
          : wordsFor(to, lying.label);
      await asked(desk, words, () => until("absent", false));
      book.put(lying.label, to);
    },
    occupied: async () => {
      const lying = book.atHead();
      if (lying === undefined) return [];
      if (!(await awaitCard("present", 0))) await putBack(lying.label);
      return [lying];
    },
    putBack: async () => {
      const lying = book.atHead();
      if (lying !== undefined) await putBack(lying.label);
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
    case "apart":
      return `APART: ${take} into the mailer's reject tray.`;
    case "head":
    case "queue":
    case "tray":
      throw new DeviceFault("desk", "refused", "a desk has one reader and no queue");
  }
}
