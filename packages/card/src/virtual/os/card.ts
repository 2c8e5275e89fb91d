import type { Chip } from "../chip.js";
import { SW } from "./command.js";
import { Directory, type File, LCS } from "./directory.js";
import { type Consequence, recover, writeAtOnce, writeDirectly } from "./transaction.js";
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
    if (file.lifeCycle === LCS.initialisation) return this.secured ? FREE : SW.securityNotSatisfied;
    return this.allows(file, mode) ? FREE : SW.securityNotSatisfied;
  }

  /** A rule of the file for this operation holds. */
  allows(file: File, mode: number): boolean {
    return file.rules.some(
      ({ modes, conditions }) =>
        (modes & mode) !== 0 &&
        conditions.every((condition) => {
          switch (condition.kind) {
            case "always":
              return true;
            case "never":
              return false;
            case "secure messaging":
              return this.secured;
            case "pin":
              return condition.reference === PIN_REFERENCE && this.pinVerified;
            case "key":
              return (
                condition.reference < 0x20 && (this.keysAuthenticated & (1 << condition.reference)) !== 0
              );
          }
        }),
    );
  }

  /** Directly before activation, as a transaction afterwards. */
  write(file: File, offset: number, bytes: Uint8Array, consequence?: Consequence): void {
    // A transaction that the memory's failure broke off stands before all others.
    recover(this.chip, this.directory);
    const write = file.lifeCycle === LCS.initialisation ? writeDirectly : writeAtOnce;
    write(this.chip, this.directory, this.directory.at(file.entry) ?? file, offset, bytes, consequence);
  }

  #forgetRights(): void {
    this.pinVerified = false;
    this.keysAuthenticated = 0;
  }
}

export const PIN_REFERENCE = 0x81;
