import type { Chip } from "../chip.js";
import { SW } from "./command.js";
import { Directory, type File, isBeforeActivation } from "./directory.js";
import { type Consequence, recover, writeAtOnce, writeDirectly } from "./transaction.js";
import type { Condition } from "./rules.js";
import type { SecureChannel } from "./scp03.js";

export const CARD_MANAGER = Uint8Array.of(0xa0, 0, 0, 1, 0x51, 0, 0, 0);
/** SW 0: nothing stands against it. */
export const FREE = 0;

/** What all commands work on: the files, and the volatile state that a reset clears. */
export class Card {
  readonly chip: Chip;
  readonly directory: Directory;
  /** Directory entries of the current DF and EF. */
  #df: number | undefined;
  #ef: number | undefined;
  /** Record pointer; 0: undefined. */
  record = 0;
  pinVerified = false;
  /** Bit KID: that key of the current DF is authenticated. */
  keysAuthenticated = 0;
  /** The last GET CHALLENGE of 16 bytes, not used yet. */
  challenge: Uint8Array | undefined;
  /** After INITIALIZE UPDATE; open once its level is not 00. */
  channel: SecureChannel | undefined;
  /** The command in work came in the open channel with a right C-MAC. */
  secured = false;
  /** PIN of the MF, right until reset. */
  globalPinVerified = false;
  /** What MANAGE SECURITY ENVIRONMENT set for authentication in the current DF. */
  environment: Environment | undefined;
  /** ISO secure messaging, and the directory entry of the DF whose key opened it. */
  shield: { readonly session: ShieldSession; readonly df: number } | undefined;
  /** The command in work came under ISO secure messaging. */
  shielded = false;
  /** INS of the command in work. */
  instruction = 0;

  constructor(chip: Chip) {
    this.chip = chip;
    this.directory = new Directory(chip);
  }

  reset(): void {
    this.directory.load();
    this.#df = this.directory.root?.entry;
    this.#ef = undefined;
    this.record = 0;
    this.#forgetRights();
    this.challenge = undefined;
    this.channel = undefined;
    this.secured = false;
    this.globalPinVerified = false;
    this.shield = undefined;
    this.shielded = false;
  }

  get df(): File | undefined {
    return this.directory.at(this.#df);
  }

  get ef(): File | undefined {
    return this.directory.at(this.#ef);
  }

  /** Rights of PIN and keys are those of one DF: another DF ends them. */
  selectDf(df: File): void {
    if (df.entry !== this.#df) this.#forgetRights();
    this.#df = df.entry;
    this.#ef = undefined;
    this.record = 0;
  }

  selectMf(): void {
    const { root } = this.directory;
    if (root !== undefined) this.selectDf(root);
  }

  selectEf(ef: File): void {
    const df = this.directory.at(ef.parent);
    if (df !== undefined && df.entry !== this.#df) this.selectDf(df);
    this.#ef = ef.entry;
    this.record = 0;
  }

  deselectEf(): void {
    this.#ef = undefined;
    this.record = 0;
  }

  /** FREE, or the status word that stands against an operation on a file (docs/card-os.md 5). */
  refusal(file: File, mode: number): number {
    if (this.directory.isDeactivated(file)) return SW.conditionsNotSatisfied;
    if (isBeforeActivation(file)) return this.secured ? FREE : SW.securityNotSatisfied;
    return this.allows(file, mode) ? FREE : SW.securityNotSatisfied;
  }

  /** A rule of the file for this operation, or for the instruction in work, holds. */
  allows(file: File, mode: number): boolean {
    return file.rules.some(
      ({ modes, instructions, conditions }) =>
        ((modes & mode) !== 0 || instructions?.includes(this.instruction & 0xfe) === true) &&
        conditions.every((condition) => this.#holds(condition, file)),
    );
  }

  #holds(condition: Condition, file: File): boolean {
    switch (condition.kind) {
      case "always":
        return true;
      case "never":
        return false;
      case "secure messaging":
        return this.secured || this.#shieldedFor(file);
      case "pin":
        return condition.reference === PIN_REFERENCE
          ? this.pinVerified
          : condition.reference === GLOBAL_PIN_REFERENCE && this.globalPinVerified;
      case "key":
        return condition.reference < 0x20 && (this.keysAuthenticated & (1 << condition.reference)) !== 0;
      case "any key":
        return this.keysAuthenticated !== 0;
      case "all":
        return condition.of.every((one) => this.#holds(one, file));
      case "any":
        return condition.of.some((one) => this.#holds(one, file));
      case "none":
        return !condition.of.some((one) => this.#holds(one, file));
    }
  }

  /** The session was opened with a key of the file's DF or of one above it: a foreign DF's key opens nothing here. */
  #shieldedFor(file: File): boolean {
    const { shield } = this;
    return (
      this.shielded &&
      shield !== undefined &&
      this.directory.withAbove(file).some(({ entry }) => entry === shield.df)
    );
  }

  /** Directly before activation, as a transaction afterwards. */
  write(file: File, offset: number, bytes: Uint8Array, consequence?: Consequence): void {
    // A transaction that the memory's failure broke off stands before all others.
    recover(this.chip, this.directory);
    const write = isBeforeActivation(file) ? writeDirectly : writeAtOnce;
    write(this.chip, this.directory, this.directory.at(file.entry) ?? file, offset, bytes, consequence);
  }

  #forgetRights(): void {
    this.pinVerified = false;
    this.keysAuthenticated = 0;
    this.environment = undefined;
  }
}

/** What a session of ISO secure messaging does for the commands (docs/card-os.md 10.8). */
export interface ShieldSession {
  /** Most bytes of data an answer to the command in work can carry. */
  readonly room: number;
}

export interface Environment {
  readonly algorithm: number | undefined;
  readonly kid: number | undefined;
}

export const PIN_REFERENCE = 0x81;
export const GLOBAL_PIN_REFERENCE = 0x01;
