import type { Card } from "../card.js";
import { type Answer, type Apdu, SW, join, status } from "../command.js";
import { MOST_DATA, decode, wantsAll } from "./apdu.js";
import { Shield } from "./shield.js";

const CHAINING = 0x10;
const SHIELDED = 0x0c;

/** What the front asks of the operating system behind it. */
export interface Behind {
  /** A command of SCP03 or of GlobalPlatform's class: short length, no chains. */
  short(bytes: Uint8Array): Answer;
  /** The status word that stands against this instruction, if any. */
  objection(ins: number): number | undefined;
  /** A plain interindustry command. */
  perform(command: Apdu): Answer;
  spoiledMac(mac: Uint8Array): Uint8Array;
}

/** The reading of commands in image 2.0 (docs/card-os.md 10.1, 10.8): class byte, all lengths, chains, ISO secure messaging. */
export class Front {
  readonly #card: Card;
  readonly #behind: Behind;
  /** The chain in work: its header, and the data so far. */
  #chain: { readonly header: readonly number[]; readonly data: Uint8Array } | undefined;

  constructor(card: Card, behind: Behind) {
    this.#card = card;
    this.#behind = behind;
  }

  reset(): void {
    this.#chain = undefined;
  }

  answer(bytes: Uint8Array): Answer {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = bytes;
    const chain = this.#chain;
    this.#chain = undefined;
    const header = [ins, p1, p2];
    const belongs =
      chain !== undefined && (cla & ~CHAINING) === 0 && header.every((byte, at) => byte === chain.header[at]);
    if (chain !== undefined && !belongs) return status(SW.lastOfChainExpected);
    const objection = classObjection(cla, ins);
    if (objection !== undefined) return status(objection);
    if ((cla & 0x80) !== 0 || (cla & SHIELDED) === 0x04) {
      // A command of another security ends this one's session.
      this.#card.shield = undefined;
      return this.#behind.short(bytes);
    }
    const against = this.#behind.objection(ins);
    if (against !== undefined) return status(against);
    const command = decode(bytes);
    if (command === undefined || tooLong(command)) return status(SW.wrongLength);
    if ((cla & SHIELDED) === SHIELDED) return this.#shielded(command);
    if ((cla & CHAINING) === 0) {
      this.#card.shield = undefined;
      return this.#perform({ ...command, data: join(chain?.data ?? [], command.data) });
    }
    const data = join(chain?.data ?? [], command.data);
    if (command.data.length === 0 || command.le !== undefined || data.length > MOST_DATA) {
      return status(SW.wrongLength);
    }
    this.#chain = { header, data };
    return status(SW.ok);
  }

  /** Who asks for no data gets none (ISO/IEC 7816-4, 5.1). */
  #perform(command: Apdu): Answer {
    const answered = this.#behind.perform(command);
    return command.le === undefined && answered.data.length > 0 ? status(answered.sw) : answered;
  }

  #shielded(command: Apdu): Answer {
    const card = this.#card;
    const session = card.shield?.session;
    if (!(session instanceof Shield)) return status(SW.conditionsNotSatisfied);
    const plain = session.open(command);
    if (typeof plain === "number") {
      card.shield = undefined;
      return status(plain);
    }
    card.shielded = true;
    const answered = this.#perform(plain);
    return session.close(answered, (mac) => this.#behind.spoiledMac(mac));
  }
}

const tooLong = (command: Apdu): boolean =>
  command.data.length > MOST_DATA || ((command.le ?? 0) > MOST_DATA && !wantsAll(command));

/** ISO/IEC 7816-4, 5.1.1; GPCS, 11.1.4. */
function classObjection(cla: number, ins: number): number | undefined {
  if (cla >= 0xa0 || (cla & 0xe0) === 0x20) return SW.wrongClass;
  if ((cla & 0x60) !== 0 || (cla & 0x03) !== 0 || ins === 0x70) return SW.noChannel;
  if ((ins & 0xf0) === 0x60 || (ins & 0xf0) === 0x90) return SW.wrongInstruction;
  if ((cla & CHAINING) !== 0 && (cla & 0x8c) !== 0) return SW.noChaining;
  return (cla & SHIELDED) === 0x08 || (cla & 0x88) === 0x88 ? SW.noSecureMessaging : undefined;
}
