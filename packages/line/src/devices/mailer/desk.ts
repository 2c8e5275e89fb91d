/** A person at a desk who puts cards and carriers together: told what to take, heard by a scanner (or keyboard) or seen by a camera. */
import { DeviceFault } from "../problem.js";
import type { Mailer, Read, Sight } from "./port.js";

export interface MailingDesk {
  readonly tell: (text: string) => void;
  /** What the person is waited for; undefined: nobody waits. */
  readonly awaits: (text: string | undefined) => void;
  /** The next line of scanner or keyboard; undefined: there will be no more. */
  readonly typed: () => Promise<string | undefined>;
  /**
   * An Enter sooner than this after the words, ms, confirms nothing: it was typed before, or by a scanner that ends its codes with two. None
   * when not said, as for a program's lines.
   */
  readonly soonestMs?: number;
  /** Codes in the next picture of carrier and card, instead of a scanner; undefined: there will be no more. */
  readonly seen?: () => Promise<readonly string[] | undefined>;
}

/** Numbers of carriers look like nothing else here. */
const isCarrier = (text: string): boolean => /^C-\d{7,}$/.test(text);
const codeOf = (text: string): Read =>
  text === "-" ? { seen: "unreadable" } : text === "0" ? { seen: "nothing" } : { seen: "code", text };

/** Of the codes in one picture: more than one of a kind, and nobody knows which lies on which. */
function sightOf(codes: readonly string[]): Sight {
  const one = (texts: readonly string[]): Read => {
    const [text, second] = new Set(texts);
    return text === undefined || second !== undefined ? { seen: "unreadable" } : { seen: "code", text };
  };
  return { carrier: one(codes.filter(isCarrier)), card: one(codes.filter((text) => !isCarrier(text))) };
}

export function deskMailer(desk: MailingDesk): Mailer {
  const asked = async <T>(words: string, answer: () => Promise<T>): Promise<T> => {
    desk.tell(words);
    desk.awaits(words);
    try {
      return await answer();
    } finally {
      desk.awaits(undefined);
    }
  };
  /** What is typed, without blanks around it; an empty line is asked for again. */
  const scanned = (words: string): Promise<string | undefined> =>
    asked(words, async () => {
      for (;;) {
        const text = (await desk.typed())?.trim();
        if (text !== "") return text;
      }
    });
  const confirmed = (words: string): Promise<string | undefined> =>
    asked(`${words} Then press Enter.`, async () => {
      const soonest = performance.now() + (desk.soonestMs ?? 0);
      for (;;) {
        const text = await desk.typed();
        if (text === undefined || performance.now() >= soonest) return text;
      }
    });
  const hint = "(- when it cannot be read, 0 when there is none)";

  async function look(which: string): Promise<Sight | "ended"> {
    const { seen } = desk;
    if (seen !== undefined) {
      const codes = await asked(`Lay ${which} together under the camera, both codes up.`, seen);
      return codes === undefined ? "ended" : sightOf(codes);
    }
    const carrier = await scanned(`Take ${which}. Scan the carrier ${hint}.`);
    if (carrier === undefined) return "ended";
    const card = await scanned(`Scan the card, or type the number on its body ${hint}.`);
    return card === undefined ? "ended" : { carrier: codeOf(carrier), card: codeOf(card) };
  }

  return {
    name: "mailing desk",
    kind: "real",
    // Whoever was interrupted has both in hand, and is told what to do with them.
    lying: async () => undefined,
    present: ({ record, carrier }) =>
      look(`the next carrier (record ${String(record)}, ${carrier}) and the next card`),
    again: () => look("the same carrier and the same card once more"),
    async fix() {
      const done = await confirmed(
        "MATCH: they belong together. Fix the card to the carrier and put the letter away.",
      );
      if (done === undefined)
        throw new DeviceFault("mailing desk", "timeout", "nobody said that the card was fixed");
    },
    async apart({ carrier, card }) {
      const named = (what: string, number = ""): string =>
        number === "" ? `the ${what} in your hands` : `${what} ${number}`;
      await confirmed(
        `STOP: put ${named("carrier", carrier)} and ${named("card", card)} together into the mailing reject tray, unfixed or as they are.`,
      );
    },
    back: async () => {
      desk.tell("Put the carrier back onto the stack and the card back into the tray.");
    },
  };
}
