import { equalConstantTime } from "./bytes.js";
import { CardProblem } from "./problem.js";

/** Bytes that cannot be printed by accident: keys, PINs. Holds a copy of its own until `wipe`. */
export class Secret {
  readonly #bytes: Uint8Array;
  #wiped = false;

  constructor(bytes: Uint8Array) {
    // Not `slice`: a Buffer's shares the caller's memory, and `wipe` would reach it.
    this.#bytes = Uint8Array.from(bytes);
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** The bytes belong to the secret: do not keep them. Throws CardProblem `session-closed` after `wipe`. */
  use<T>(work: (bytes: Uint8Array) => T): T {
    if (this.#wiped) throw new CardProblem("session-closed", "secret", "it has been wiped");
    return work(this.#bytes);
  }

  equals(other: Secret): boolean {
    return this.use((mine) => other.use((theirs) => equalConstantTime(mine, theirs)));
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }
}
