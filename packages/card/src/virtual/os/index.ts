import { type Chip, type MakeOperatingSystem, type OperatingSystem, unlessMemoryFails } from "../chip.js";
import { cardState, phase } from "../layout.js";
import { FRONT, type RoutineName, routine, SESSION_GUARD } from "../routines.js";
import { externalAuthenticate, getChallenge, internalAuthenticate, proveFile } from "./applet.js";
import { readBinary, updateBinary } from "./binary.js";
import { CARD_MANAGER, Card } from "./card.js";
import {
  type Answer,
  type Apdu,
  SW,
  decodeAnswer,
  decodeApdu,
  encodeAnswer,
  same,
  status,
} from "./command.js";
import { IMAGE_COMMANDS } from "./iso/commands.js";
import { finishErasing } from "./ending.js";
import { Front } from "./iso/front.js";
import { activateFile, createFile, deactivateFile, deleteFile } from "./files.js";
import { getData, initializeUpdate, openChannel, putKey, setStatus, terminateCardUsage } from "./manager.js";
import { changeReferenceData, resetRetryCounter, verify } from "./pin.js";
import { appendRecord, readRecord, updateRecord } from "./records.js";
import { select } from "./selection.js";
import { NoBuffer, recover } from "./transaction.js";

interface Known {
  /** Undefined: a command that only images bring. */
  readonly name: RoutineName | undefined;
  readonly run: (card: Card, command: Apdu) => Answer;
  readonly repeatable?: boolean;
}

/** By class without secure messaging (00, 80) and instruction. */
const COMMANDS: ReadonlyMap<number, Known> = new Map<number, Known>([
  [0x00a4, { name: "select", run: select }],
  [0x00ca, { name: "getData", run: getData }],
  [0x80ca, { name: "getData", run: getData }],
  [0x8050, { name: "initializeUpdate", run: initializeUpdate }],
  [0x8082, { name: "externalAuthenticateChannel", run: openChannel }],
  [0x00e0, { name: "createFile", run: createFile }],
  [0x00e4, { name: "deleteFile", run: deleteFile }],
  [0x0044, { name: "activateFile", run: activateFile }],
  [0x0004, { name: "deactivateFile", run: deactivateFile }],
  [0x00fe, { name: "terminateCardUsage", run: terminateCardUsage }],
  [0x00b0, { name: "readBinary", run: readBinary }],
  [0x00d6, { name: "updateBinary", run: updateBinary }],
  [0x00b2, { name: "readRecord", run: readRecord }],
  [0x00dc, { name: "updateRecord", run: updateRecord }],
  [0x00e2, { name: "appendRecord", run: appendRecord }],
  [0x0020, { name: "verify", run: verify }],
  [0x0024, { name: "changeReferenceData", run: changeReferenceData }],
  [0x002c, { name: "resetRetryCounter", run: resetRetryCounter }],
  [0x0084, { name: "getChallenge", run: getChallenge }],
  [0x0088, { name: "internalAuthenticate", run: internalAuthenticate }],
  [0x0082, { name: "externalAuthenticate", run: externalAuthenticate }],
  [0x80d8, { name: "putKey", run: putKey }],
  [0x80f0, { name: "setStatus", run: setStatus }],
  [0x805c, { name: "proveFile", run: proveFile }],
]);

const SECURE = 0x04;
/** Answers shorter than asked for by Le are not cut: 6CXX tells the length (these commands change nothing). */
const REPEATABLE: readonly RoutineName[] = ["select", "getData", "readRecord"];
/** Our own commands that may come in plain while a session is open. */
const FREE_INSIDE: readonly RoutineName[] = ["getData", "initializeUpdate"];
/** What a locked card still does without a session. */
const FREE_LOCKED: readonly RoutineName[] = ["select", "getData", "getChallenge", "initializeUpdate"];

/** The operating system of phases 03 and 0F (docs/card-os.md 4 to 7). */
export const makeOperatingSystem: MakeOperatingSystem = (chip) => new System(chip);

class System implements OperatingSystem {
  readonly #chip: Chip;
  readonly #card: Card;
  readonly #front: Front;

  constructor(chip: Chip) {
    this.#chip = chip;
    this.#card = new Card(chip);
    this.#front = new Front(this.#card, {
      short: (bytes) => this.#answer(bytes),
      objection: (ins) => {
        const command = this.#known(ins);
        return command === undefined ? SW.wrongInstruction : this.#terminated(command);
      },
      perform: (apdu) => {
        const command = this.#known(apdu.ins);
        return command === undefined ? status(SW.wrongInstruction) : this.#plain(command, apdu);
      },
      spoiledMac: (mac) => this.#chip.responseMac(mac),
    });
  }

  reset(): void {
    this.#card.reset();
    this.#front.reset();
    const { directory } = this.#card;
    if (this.#chip.phase() === phase.terminated) {
      unlessMemoryFails(() => finishErasing(this.#chip, directory));
      return;
    }
    // Where the memory fails: the transaction stays marked, and every later write meets it again (6581).
    unlessMemoryFails(() => recover(this.#chip, directory));
    unlessMemoryFails(() => {
      directory.finishRemoving();
    });
    for (const { body } of directory.dfs()) unlessMemoryFails(() => this.#chip.tidyPair(body));
  }

  dispatch(bytes: Uint8Array): Uint8Array {
    const card = this.#card;
    card.secured = false;
    card.shielded = false;
    if (this.#comesFromOutside(bytes)) {
      card.channel = undefined;
      this.#front.reset();
      if (!isSelection(bytes)) return encodeAnswer(status(SW.securityNotSatisfied));
    }
    const front = this.#chip.origin(FRONT) === "code";
    return encodeAnswer(front ? this.#front.answer(bytes) : this.#answer(bytes));
  }

  /**
   * Images 1.3 and 2.2: whoever carries a session's commands would lead the card to another file between two of them, and what was made for
   * one would be done to another. So a session hears its own commands only (GlobalPlatform Amendment D, protocol rules; docs/card-os.md 11).
   */
  #comesFromOutside([cla = 0, ins = 0]: Uint8Array): boolean {
    const isOpen = (this.#card.channel?.level ?? 0) !== 0;
    if (!isOpen || !this.#isGuarded) return false;
    const opensAnew = cla === 0x80 && ins === INITIALIZE_UPDATE;
    return (cla & ~0x80) !== SECURE && !opensAnew;
  }

  get #isGuarded(): boolean {
    return this.#chip.origin(SESSION_GUARD) === "code";
  }

  /** The command behind class (b8) and instruction, of the image or of the ROM; undefined when it is not linked. */
  #known(instruction: number): Known | undefined {
    const command = COMMANDS.get(instruction);
    const brought = IMAGE_COMMANDS.get(instruction);
    if (brought !== undefined && this.#chip.origin(brought.number) === "code") {
      return { name: command?.name, run: brought.run, repeatable: brought.repeatable === true };
    }
    return command?.name === undefined || this.#chip.routine(routine[command.name]) === undefined
      ? undefined
      : command;
  }

  #terminated(command: Known): number | undefined {
    if (this.#chip.phase() !== phase.terminated || command.name === "getData") return undefined;
    return command.name === "select" ? SW.terminated : SW.conditionsNotSatisfied;
  }

  #answer(bytes: Uint8Array): Answer {
    const cla = bytes[0] ?? 0;
    const ins = bytes[1] ?? 0;
    const objection = classObjection(cla);
    if (objection !== undefined) return status(objection);
    const command = this.#known(((cla & 0x80) << 8) | ins);
    if (command === undefined) return status(SW.wrongInstruction);
    const terminated = this.#terminated(command);
    if (terminated !== undefined) return status(terminated);
    const apdu = decodeApdu(bytes);
    if (apdu === undefined) return status(SW.wrongLength);
    return (cla & SECURE) !== 0 ? this.#secured(command, apdu) : this.#plain(command, apdu);
  }

  #plain(command: Known, apdu: Apdu): Answer {
    const card = this.#card;
    const open = (card.channel?.level ?? 0) !== 0;
    if (apdu.cla === 0x80 && !isOneOf(FREE_INSIDE, command) && (open || command.name === OPENING)) {
      card.channel = undefined;
      return status(SW.securityNotSatisfied);
    }
    if (this.#chip.cardState() === cardState.locked && !isOneOf(FREE_LOCKED, command)) {
      return status(SW.conditionsNotSatisfied);
    }
    return this.#perform(command, apdu);
  }

  #secured(command: Known, apdu: Apdu): Answer {
    const card = this.#card;
    if (command.name === OPENING) return this.#opened(command, apdu);
    const { channel } = card;
    if (channel === undefined || channel.level === 0) return status(SW.securityNotSatisfied);
    const data = channel.unwrap(apdu);
    if (data === undefined) {
      card.channel = undefined;
      return status(SW.securityNotSatisfied);
    }
    if (command.name === "initializeUpdate") return status(SW.conditionsNotSatisfied);
    card.secured = true;
    const plain = this.#perform(command, { ...apdu, data });
    const wrapped = channel.wrap(plain, (mac) => this.#chip.responseMac(mac));
    if (command.name === "select" && this.#isGuarded && !this.#leads({ ...apdu, data }, plain.sw))
      card.channel = undefined;
    return wrapped;
  }

  /** A guarded session begins at the MF, wherever plain commands led the card before it. */
  #opened(command: Known, apdu: Apdu): Answer {
    const plain = this.#perform(command, apdu);
    const card = this.#card;
    if (card.channel !== undefined && this.#isGuarded) card.selectMf();
    return plain;
  }

  /**
   * Whether a session's own SELECT led to the file that it names. A session is made as a whole: where SELECT led nowhere, or to a DF whose
   * name only begins so, the commands behind it would be done to another file.
   */
  #leads({ p1, data }: Apdu, sw: number): boolean {
    const { df } = this.#card;
    const isDone = sw === SW.ok || sw >> 8 === 0x62;
    return (
      isDone && (p1 !== BY_NAME || same(data, CARD_MANAGER) || (df !== undefined && same(data, df.name)))
    );
  }

  #run(command: Known, apdu: Apdu): Answer {
    try {
      return command.run(this.#card, apdu);
    } catch (problem) {
      if (problem instanceof NoBuffer) return status(SW.noMemory);
      throw problem;
    }
  }

  #perform(command: Known, apdu: Apdu): Answer {
    this.#card.instruction = apdu.ins;
    const work = (): Uint8Array => {
      const plain = this.#run(command, apdu);
      const { length } = plain.data;
      const repeatable = command.repeatable ?? isOneOf(REPEATABLE, command);
      const short = apdu.le !== undefined && apdu.le < length && repeatable;
      if (!short) return encodeAnswer(plain);
      return encodeAnswer(status(length > 256 ? SW.wrongLength : SW.wrongLe | (length & 0xff)));
    };
    return decodeAnswer(this.#chip.perform(apdu.ins, work));
  }
}

const INITIALIZE_UPDATE = 0x50;
const BY_NAME = 0x04;
const isSelection = ([cla, ins]: Uint8Array): boolean => cla === 0x00 && ins === 0xa4;

const isOneOf = (names: readonly RoutineName[], { name }: Known): boolean =>
  name !== undefined && names.includes(name);

const OPENING: RoutineName = "externalAuthenticateChannel";

/** ISO/IEC 7816-4, 5.1.1; GPCS, 11.1.4. */
function classObjection(cla: number): number | undefined {
  if ((cla & 0xe0) === 0x40 || (cla & 0xe0) === 0x60) return SW.noChannel;
  if ((cla & 0x60) !== 0) return SW.wrongClass;
  if ((cla & 0x10) !== 0) return SW.noChaining;
  if ((cla & 0x08) !== 0) return SW.noSecureMessaging;
  return (cla & 0x03) !== 0 ? SW.noChannel : undefined;
}
