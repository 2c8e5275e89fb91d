/** What every reader that carries APDUs to a card outside this process has in common: 61xx and 6Cxx, bounds, deadlines, and where to stop. */
import {
  type Command,
  encodeCommand,
  followUp,
  getResponse,
  isExtended,
  isSecured,
  type Response,
  type StatusWord,
} from "@persoline/card/apdu";
import { CardProblem } from "@persoline/card/bytes";
import type { Sent } from "@persoline/card/program";
import { apduMs, wholeMs } from "./deadline.js";

/** Data bytes and status word at most (ISO/IEC 7816-4, 5.1), in short and in extended length. */
const longest = { short: 256 + 2, extended: 65_536 + 2 } as const;

/** How long to wait for an answer, and what is to be told when none has come by then. */
export interface Patience {
  readonly ms: number;
  readonly late: string;
}

/** One APDU there and one answer back. Throws Silence when the card does not answer in time, DeviceFault when the reader fails. */
export type Transmit = (apdu: Uint8Array, patience: Patience) => Promise<Uint8Array>;

/** The card does not answer, or answers what no card may: its doing, or it is gone. */
export class Silence extends Error {
  override readonly name = "Silence";
}

export interface Conversation {
  /** One per command that was answered whole. */
  readonly answers: readonly Response[];
  /** What ended it early, if it is the card's silence or the reader's fault; to be passed on by who knows the reader. */
  readonly broken?: Error;
}

/** A card that has nothing for a GET RESPONSE, or does not know it, says so; the status of the command itself stands then. */
const nothingWaiting: ReadonlySet<number> = new Set([0x6985, 0x6d00, 0x6e00, 0x6f00]);

/** How a card is spoken with. */
export interface Manner {
  /**
   * Over T=0 a command is mapped to its TPDU (ISO/IEC 7816-3, 12.2): no Le beside data, which GET RESPONSE brings behind it, P3 = 00 for no
   * data at all.
   */
  readonly protocol: "T=0" | "T=1";
  /** So long the card may think about one APDU, milliseconds; some commands get more (`apduMs`), a whole answer in pieces twice as long. */
  readonly answerMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/**
 * Sends commands in order and stops after the first answer whose status word matches none of its patterns. Never throws; never sends a
 * command twice but for 6Cxx.
 */
export async function converse(
  transmit: Transmit,
  commands: readonly Sent[],
  manner: Manner,
): Promise<Conversation> {
  const answers: Response[] = [];
  try {
    for (const { command, sw } of commands) {
      const answer = await followed(new Turn(transmit, manner, command), command, manner.protocol);
      answers.push(answer);
      if (!sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
    }
    return { answers };
  } catch (thrown) {
    return { answers, broken: thrown instanceof Error ? thrown : new Error(String(thrown)) };
  }
}

/** A card that never ends shows its last status word, which no step expects; one that takes for ever about it is silent. */
async function followed(turn: Turn, command: Command, protocol: "T=0" | "T=1"): Promise<Response> {
  const case4 = protocol === "T=0" && command.le !== undefined && (command.data?.length ?? 0) > 0;
  // Behind secure messaging Le counts what the command reads, not what protects it: all of what is announced belongs to the answer.
  const asked = case4 && isSecured(command.cla) ? { ...command, le: 256 } : command;
  let answer = await turn.once(command);
  // Without Le beside the data there is no wrong one: sent again, the command would be done twice.
  if (case4 && isWrongLe(answer)) return answer;
  if (case4 && answer.sw === 0x9000 && answer.data.length === 0) {
    let fetched = await turn.once(getResponse(command, command.le ?? 256));
    if (isWrongLe(fetched)) fetched = await turn.once(getResponse(command, fetched.sw & 0xff || 256));
    // Once more would be the command itself again, which the card has done.
    if (isWrongLe(fetched)) return fetched;
    if (fetched.data.length > 0 || !nothingWaiting.has(fetched.sw)) answer = fetched;
  }
  try {
    let next = followUp(answer, asked);
    while (next.do === "send") {
      answer = await turn.once(next.command);
      next = followUp(answer, asked, next.state);
    }
    return next.response;
  } catch (thrown) {
    if (thrown instanceof CardProblem && thrown.code === "endless-response") return answer;
    throw thrown;
  }
}

const isWrongLe = ({ sw }: Response): boolean => sw >> 8 === 0x6c;

/** A command and all that fetches its answer: each APDU has its deadline, and all of them together have one. */
class Turn {
  readonly #transmit: Transmit;
  readonly #manner: Manner;
  readonly #ms: number;
  readonly #end: number;

  constructor(transmit: Transmit, manner: Manner, first: Command) {
    this.#transmit = transmit;
    this.#manner = manner;
    this.#ms = wholeMs(apduMs(first, manner.answerMs));
    this.#end = manner.now() + this.#ms;
  }

  async once(command: Command): Promise<Response> {
    const { protocol, answerMs, now } = this.#manner;
    const apdu = encodeCommand(command);
    const [own, left] = [apduMs(command, answerMs), this.#end - now()];
    const patience =
      own <= left
        ? { ms: own, late: `no answer within ${seconds(own)}` }
        : { ms: left, late: `its answer came in pieces and was not whole within ${seconds(this.#ms)}` };
    if (left <= 0) throw new Silence(patience.late);
    return received(await this.#transmit(protocol === "T=0" ? tpdu(apdu) : apdu, patience), isExtended(apdu));
  }
}

const seconds = (ms: number): string => `${String(ms / 1000)} s`;

function received(bytes: Uint8Array, extended: boolean): Response {
  const bound = extended ? longest.extended : longest.short;
  if (bytes.length < 2) throw new Silence("the card's answer has no status word");
  if (bytes.length > bound) throw new Silence(`the card's answer has more than ${String(bound)} bytes`);
  const end = bytes.length - 2;
  const sw = ((bytes[end] ?? 0) << 8) | (bytes[end + 1] ?? 0);
  return { data: bytes.slice(0, end), sw: sw as StatusWord };
}

function tpdu(apdu: Uint8Array): Uint8Array {
  if (apdu.length === 4) return Uint8Array.of(...apdu, 0);
  if (apdu.length === 5) return apdu;
  if (isExtended(apdu))
    throw new Silence("this card speaks T=0, which carries no command of extended length");
  return apdu.subarray(0, 5 + (apdu[4] ?? 0));
}
