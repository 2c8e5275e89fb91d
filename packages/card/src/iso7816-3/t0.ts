import { isSecured } from "../apdu/index.js";
import { CardProblem, concat, hex } from "../bytes/index.js";
import type { Link } from "./link.js";

/** Five header bytes and what follows them (ISO/IEC 7816-3, 10.3): data to the card, or the number of bytes expected from it. */
export interface Tpdu {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly p3: number;
  /** `p3` bytes; absent: the card sends (P3 00: 256), or nothing is transferred at all (`none`). */
  readonly data?: Uint8Array | "none";
}

export interface TpduAnswer {
  readonly data: Uint8Array;
  readonly sw: number;
}

const signals = { signals: true };

/**
 * One exchange of T=0: header, procedure bytes, data, SW1 SW2 (10.3.3). `wt`: work waiting time in clock periods.
 * Throws CardProblem `line-silent`, `line-protocol`, `line-noise`, `line-endless`.
 */
export function exchangeTpdu(link: Link, tpdu: Tpdu, wt: number): TpduAnswer {
  const { cla, ins, p1, p2, p3, data: out } = tpdu;
  const where = `T=0, INS ${hex(Uint8Array.of(ins))}`;
  const next = (): number => {
    const character = link.receive(wt, signals);
    if (character === undefined)
      throw new CardProblem("line-silent", where, "no character within the work waiting time");
    return character.byte;
  };
  for (const byte of [cla, ins, p1, p2, p3]) link.send(byte, signals);
  const total = out instanceof Uint8Array ? out.length : out === "none" ? 0 : p3 || 256;
  const received: number[] = [];
  let sent = 0;
  for (;;) {
    const procedure = next();
    // NULL asks for patience; the link's deadline ends it.
    if (procedure === 0x60) continue;
    const high = procedure & 0xf0;
    if (high === 0x60 || high === 0x90) {
      const sw = (procedure << 8) | next();
      return { data: Uint8Array.from(received), sw };
    }
    const done = out instanceof Uint8Array ? sent : received.length;
    const left = total - done;
    const count = procedure === ins ? left : procedure === (ins ^ 0xff) ? 1 : undefined;
    if (count === undefined)
      throw new CardProblem("line-protocol", where, `${hex(Uint8Array.of(procedure))} is no procedure byte`);
    if (left === 0) throw new CardProblem("line-protocol", where, "more data is asked for than there is");
    if (out instanceof Uint8Array) {
      for (const byte of out.subarray(sent, sent + count)) link.send(byte, signals);
      sent += count;
    } else {
      for (let one = 0; one < count; one++) received.push(next());
    }
  }
}

/** A command APDU by its lengths, as 7816-3 12.1.3 counts them. `le`: Ne; absent: no answer is expected. */
export interface ApduParts {
  readonly header: readonly [cla: number, ins: number, p1: number, p2: number];
  readonly data: Uint8Array;
  readonly le?: number;
  readonly bytes: Uint8Array;
}

const mostAnswer = 65_536;
const mostPieces = 65_536;
const envelopePiece = 255;

/**
 * A whole APDU over T=0 (12.2): cases 1 to 4, short and extended. The answer comes as data ‖ SW1 SW2. Throws as `exchangeTpdu`;
 * `endless-response` for an answer beyond 64 KiB or without end.
 */
export function transmitT0(link: Link, apdu: ApduParts, wt: number): Uint8Array {
  const first = apdu.data.length > 255 ? inEnvelopes(link, apdu, wt) : directly(link, apdu, wt);
  const { data, sw } = completed(link, apdu, first, wt);
  return concat(data, Uint8Array.of(sw >> 8, sw & 0xff));
}

function directly(link: Link, { header, data, le }: ApduParts, wt: number): TpduAnswer {
  const [cla, ins, p1, p2] = header;
  const tpdu = { cla, ins, p1, p2 };
  if (data.length > 0) return exchangeTpdu(link, { ...tpdu, p3: data.length, data }, wt);
  if (le === undefined) return exchangeTpdu(link, { ...tpdu, p3: 0, data: "none" }, wt);
  const answer = exchangeTpdu(link, { ...tpdu, p3: le >= 256 ? 0 : le }, wt);
  // The card names the right length: the same header once more, with it (12.2.2).
  if (answer.sw >> 8 !== 0x6c || answer.data.length > 0) return answer;
  return exchangeTpdu(link, { ...tpdu, p3: answer.sw & 0xff }, wt);
}

/** Nc above 255 (12.2.6): the APDU as a string in ENVELOPE commands; one without data says that the string is complete (7816-4, 7.6.2). */
function inEnvelopes(link: Link, { header, bytes }: ApduParts, wt: number): TpduAnswer {
  const envelope = { cla: channelClass(header[0]), ins: 0xc2, p1: 0, p2: 0 };
  for (let at = 0; at < bytes.length; at += envelopePiece) {
    const data = bytes.subarray(at, at + envelopePiece);
    const { sw } = exchangeTpdu(link, { ...envelope, p3: data.length, data }, wt);
    if (sw !== 0x9000) return { data: new Uint8Array(0), sw };
  }
  return exchangeTpdu(link, { ...envelope, p3: 0, data: "none" }, wt);
}

/**
 * GET RESPONSE for as long as the card has more and the command wants it. Behind secure messaging Le counts what the command reads, not
 * what protects it: whatever the card announces belongs to the answer.
 */
function completed(link: Link, apdu: ApduParts, first: TpduAnswer, wt: number): TpduAnswer {
  const ne = apdu.le ?? 0;
  const all = apdu.le === undefined || isSecured(apdu.header[0]);
  const pieces = [first.data];
  let length = first.data.length;
  let { sw } = first;
  // A case 4 command that was sent as case 3: 9000 says nothing of data, so it is asked for (12.2.4).
  let ask =
    apdu.data.length > 0 && apdu.data.length <= 255 && ne > 0 && sw === 0x9000 ? Math.min(ne, 256) : 0;
  for (let piece = 0; ; piece++) {
    if (sw >> 8 === 0x61 && (all || ne > length)) {
      const waiting = sw & 0xff || 256;
      ask = all || ne >= 256 ? waiting : Math.min(waiting, ne - length);
    }
    if (ask === 0 || length >= mostAnswer) break;
    if (piece >= mostPieces)
      throw new CardProblem("endless-response", "GET RESPONSE", `it goes on after ${String(piece)} pieces`);
    const answer = getResponse(link, apdu.header[0], ask, wt);
    pieces.push(answer.data);
    length += answer.data.length;
    // 61XX without data, again and again, would never end.
    if (answer.data.length === 0 && answer.sw >> 8 === 0x61)
      throw new CardProblem("endless-response", "GET RESPONSE", "data is announced and none comes");
    sw = answer.sw;
    ask = 0;
  }
  if (length > mostAnswer)
    throw new CardProblem(
      "endless-response",
      "GET RESPONSE",
      `${String(length)} bytes are more than ${String(mostAnswer)}`,
    );
  return { data: concat(...pieces), sw };
}

function getResponse(link: Link, cla: number, length: number, wt: number): TpduAnswer {
  const tpdu = { cla: channelClass(cla), ins: 0xc0, p1: 0, p2: 0 };
  const answer = exchangeTpdu(link, { ...tpdu, p3: length & 0xff }, wt);
  if (answer.sw >> 8 !== 0x6c || answer.data.length > 0) return answer;
  return exchangeTpdu(link, { ...tpdu, p3: answer.sw & 0xff }, wt);
}

/** The logical channel of the command without its chaining and secure messaging bits (7816-4, 5.1.1). */
const channelClass = (cla: number): number => ((cla & 0x40) !== 0 ? 0x40 | (cla & 0x0f) : cla & 0x03);
