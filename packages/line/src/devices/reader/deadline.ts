/** How long a card may take, whatever it asks for (F21 of docs/requirements.md), and what happens when it takes longer. */
import type { Command } from "@persoline/card/apdu";
import { type CardChannel, CardMute } from "@persoline/card/program";
import { DeviceFault } from "../problem.js";
import type { Reader } from "./port.js";

/** Generating a key pair searches primes; loading, installing and deleting may rewrite much of a memory. */
const slow: ReadonlyMap<number, number> = new Map([
  [0x46, 180_000], // GENERATE ASYMMETRIC KEY PAIR (ISO/IEC 7816-8)
  [0x47, 180_000],
  [0xe4, 60_000], // DELETE (GPCS 11.2)
  [0xe6, 60_000], // INSTALL (GPCS 11.5)
  [0xe8, 60_000], // LOAD (GPCS 11.6)
]);
const usual = 20_000;

/** Milliseconds from a command's first byte to its answer's last, waiting time extensions included. */
export const deadlineMs = (command: Pick<Command, "ins">): number => slow.get(command.ins) ?? usual;

/** The same at a real reader, which gives every command `answerMs` and those that take long not less than they may need. */
export const apduMs = ({ ins }: Pick<Command, "ins">, answerMs: number): number =>
  Math.max(answerMs, slow.get(ins) ?? 0);

/**
 * A command with all that fetches its answer (GET RESPONSE, the Le that 6Cxx names): as long again as the command alone may take. Else a
 * card that announces more and more could keep a reader for 258 times that long.
 */
export const wholeMs = (ms: number): number => 2 * ms;

/** Powering a card and lifting contacts: these are the reader's own, so beyond it the reader is at fault. */
const readerMs = 30_000;
/** What a reader may need beside its card. */
const marginMs = 1000;

const late = Symbol("late");

/** What comes in time, or `late`; whatever comes after that is left alone. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T | typeof late> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<typeof late>((resolve) => {
    timer = setTimeout(() => {
      resolve(late);
    }, ms);
  });
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, end]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A reader whose every answer comes within a bound: a card that keeps it waiting is silent (CardMute; its channel is dead until the next
 * reset, so nothing is sent twice), a reader that does not even reset is at fault (DeviceFault). `factor`: for tests and slow clocks.
 */
export function withDeadlines(reader: Reader, factor = 1): Reader {
  const inTime = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const came = await within(readerMs * factor, work);
    if (came !== late) return came;
    throw new DeviceFault(reader.name, "timeout", `${what} was not done within ${String(readerMs / 1000)} s`);
  };
  const guarded = (channel: CardChannel): CardChannel => {
    let dead = false;
    return {
      exchange: async (commands) => {
        if (dead)
          throw new DeviceFault(reader.name, "refused", "the card has to be reset: it answered too late");
        const ms =
          commands.reduce((sum, { command }) => sum + wholeMs(deadlineMs(command)), marginMs) * factor;
        const came = await within(ms, channel.exchange(commands));
        if (came !== late) return came;
        dead = true;
        throw new CardMute([], "the card did not answer within its deadline");
      },
    };
  };
  return {
    name: reader.name,
    kind: reader.kind,
    insert: async () => {
      const reset = await inTime("the reset", reader.insert());
      return reset === "mute" ? reset : { ...reset, channel: guarded(reset.channel) };
    },
    reseat: () => inTime("the new seat", reader.reseat()),
    remove: async () => {
      await within(readerMs * factor, reader.remove());
    },
  };
}
