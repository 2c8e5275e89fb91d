import { CardProblem } from "../bytes/index.js";
import type { Link } from "./link.js";
import { initialEtu, initialGuardEtu, initialWaitingEtu } from "./timing.js";

/** Protocol and parameters selection (ISO/IEC 7816-3, 9). */
export interface Selection {
  readonly protocol: 0 | 1;
  /** Codes of F and D as in TA1; absent: 372 and 1 stay. */
  readonly ta1?: number;
}

const xorOf = (bytes: readonly number[]): number => bytes.reduce((xored, byte) => xored ^ byte, 0);

/** PPSS PPS0 [PPS1] PCK. */
export function ppsRequest({ protocol, ta1 }: Selection): Uint8Array {
  const body = ta1 === undefined ? [0xff, protocol] : [0xff, 0x10 | protocol, ta1];
  return Uint8Array.of(...body, xorOf(body));
}

/**
 * What the card's response makes of the request: the selection in force. PPS1 left out means 372/1; anything else than the request's own
 * bytes is a failure (9.3). Throws CardProblem `pps`.
 */
export function judgePps(asked: Selection, response: Uint8Array): Selection {
  const failed = (hint: string) => new CardProblem("pps", "PPS response", hint);
  const [ppss, pps0] = response;
  if (ppss !== 0xff || pps0 === undefined) throw failed("it does not begin with FF");
  if (xorOf([...response]) !== 0) throw failed("the XOR of all bytes is not 00");
  if ((pps0 & 0x0f) !== asked.protocol) throw failed("it names another protocol than the request");
  if (response.length !== lengthOf(pps0)) throw failed("its length is not the one that PPS0 tells");
  if ((pps0 & 0xe0) !== 0) throw failed("it holds bytes that the request did not");
  if ((pps0 & 0x10) === 0) return { protocol: asked.protocol };
  if (asked.ta1 === undefined || response[2] !== asked.ta1) throw failed("PPS1 is not that of the request");
  return asked;
}

/** Characters of a PPS by its second: PPSS PPS0 PCK and one for each presence bit. */
function lengthOf(pps0: number): number {
  return 3 + [0x10, 0x20, 0x40].filter((bit) => (pps0 & bit) !== 0).length;
}

/** The exchange itself, at 372/1 right after the ATR; `n`: TC1 (255 means 12 etu here). Throws CardProblem `pps`, `line-noise`. */
export function selectParameters(link: Link, asked: Selection, n: number): Selection {
  const signals = { signals: true };
  link.guard = (initialGuardEtu + (n === 255 ? 0 : n)) * initialEtu;
  link.turn = link.guard;
  for (const byte of ppsRequest(asked)) link.send(byte, signals);
  const response: number[] = [];
  while (response.length < lengthOf(response[1] ?? 0)) {
    const character = link.receive(initialWaitingEtu * initialEtu, signals);
    // A card stays silent on a request that it finds faulty.
    if (character === undefined)
      throw new CardProblem("pps", "PPS response", "the card stayed silent for 9600 etu");
    response.push(character.byte);
  }
  return judgePps(asked, Uint8Array.from(response));
}
