import { CardProblem, concat } from "../bytes/index.js";
import type { Command, Response } from "./apdu.js";

/** The largest response that is put together, and the most exchanges one command may take (256 pieces, one 6CXX, the first). */
const MAX_DATA = 65536;
const MAX_EXCHANGES = 258;

/** What a conversation about one command has gathered so far. */
export interface FollowUpState {
  readonly pieces: readonly Uint8Array[];
  readonly exchanges: number;
  /** 6CXX may be answered once. */
  readonly corrected: boolean;
}

/** What to do after a response: send another command and come back with its answer, or take the whole response. */
export type FollowUp =
  | { readonly do: "send"; readonly command: Command; readonly state: FollowUpState }
  | { readonly do: "done"; readonly response: Response };

/**
 * Instructions that may cost a try of a PIN or a key: VERIFY, CHANGE REFERENCE DATA, DISABLE and ENABLE VERIFICATION, RESET RETRY COUNTER,
 * EXTERNAL and GENERAL AUTHENTICATE (ISO/IEC 7816-4, 7.5). 6CXX should mean that the card has done nothing yet, but nobody relies on that here.
 */
const MAY_COST_A_TRY: ReadonlySet<number> = new Set([
  0x20, 0x21, 0x24, 0x25, 0x26, 0x28, 0x2c, 0x2d, 0x82, 0x86, 0x87,
]);

/** Done twice, they make two of what they make: CREATE FILE, APPEND RECORD (ISO/IEC 7816-9, 6.3.2; 7816-4, 7.3.6). */
const MAKES_ANOTHER: ReadonlySet<number> = new Set([0xe0, 0xe2]);

/** A DESFire card's native commands in APDUs: AF alone continues any of them, its proof of a key too. */
const NATIVE = 0x90;

const FIRST: FollowUpState = { pieces: [], exchanges: 1, corrected: false };

/**
 * Continuation of a response (ISO/IEC 7816-4, 5.1.3; 7816-3, 12.2): 6CXX repeats the command with Le = XX, once, unless it may
 * cost a try or make a thing twice; 61XX fetches the rest by GET RESPONSE. `command` is the command first sent, `state` that of the step before.
 * Throws CardProblem `endless-response` beyond 64 KiB, 258 exchanges, or a second 6CXX.
 */
export function followUp(response: Response, command: Command, state: FollowUpState = FIRST): FollowUp {
  const sw1 = response.sw >> 8;
  const announced = (response.sw & 0xff) === 0 ? 256 : response.sw & 0xff;
  if (sw1 === 0x6c) {
    const isFirst = state.pieces.length === 0;
    const costly =
      isFirst &&
      (command.cla === NATIVE || MAY_COST_A_TRY.has(command.ins) || MAKES_ANOTHER.has(command.ins));
    if (state.corrected || command.le === undefined || costly) return done(response, state);
    const next = { ...state, exchanges: state.exchanges + 1, corrected: true };
    const again = isFirst ? command : getResponse(command, announced);
    return { do: "send", command: { ...again, le: announced }, state: next };
  }
  if (sw1 !== 0x61) return done(response, state);

  const pieces = [...state.pieces, response.data];
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length > MAX_DATA || state.exchanges >= MAX_EXCHANGES) {
    throw new CardProblem(
      "endless-response",
      "GET RESPONSE",
      `${length} bytes after ${state.exchanges} exchanges`,
    );
  }
  const wanted = wantedBytes(command, length, announced);
  // The card has more than was asked for: the caller reads 61XX as it stands.
  if (wanted === 0) return done({ data: new Uint8Array(0), sw: response.sw }, { ...state, pieces });
  return {
    do: "send",
    command: getResponse(command, wanted),
    state: { pieces, exchanges: state.exchanges + 1, corrected: false },
  };
}

function wantedBytes(command: Command, had: number, announced: number): number {
  const { le } = command;
  // No Le, and the maximal ones, ask for everything there is.
  if (le === undefined || le === 256 || le === 65536) return announced;
  return Math.max(0, Math.min(announced, le - had));
}

/** GET RESPONSE on the logical channel of the command, without its chaining and secure messaging bits. */
export function getResponse(command: Command, le: number): Command {
  const cla = (command.cla & 0x40) !== 0 ? 0x40 | (command.cla & 0x0f) : command.cla & 0x03;
  return { cla, ins: 0xc0, p1: 0x00, p2: 0x00, le };
}

function done(response: Response, state: FollowUpState): FollowUp {
  const data = concat(...state.pieces, response.data);
  if (data.length > MAX_DATA) {
    throw new CardProblem(
      "endless-response",
      "GET RESPONSE",
      `${data.length} bytes are more than ${MAX_DATA}`,
    );
  }
  return { do: "done", response: { data, sw: response.sw } };
}

/** Sends a command and whatever its responses ask for, until the response is whole. Throws as `followUp` and `transmit` do. */
export async function transmitWhole(
  transmit: (command: Command) => Promise<Response>,
  command: Command,
): Promise<Response> {
  let next = followUp(await transmit(command), command);
  while (next.do === "send") next = followUp(await transmit(next.command), command, next.state);
  return next.response;
}
