import { fromUtf8 } from "../bytes/index.js";
import { IssuerDataProblem } from "./problem.js";

/** Bounded reading: nothing is looked at beyond the end, and every length is judged before it is used. */
export class Cursor {
  #at = 0;
  constructor(
    readonly bytes: Uint8Array,
    readonly where: string,
  ) {}

  get left(): number {
    return this.bytes.length - this.#at;
  }

  get at(): number {
    return this.#at;
  }

  /** A view. */
  take(length: number, what: string): Uint8Array {
    if (length > this.left)
      throw this.problem(`${what} should have ${String(length)} bytes, ${String(this.left)} are there`);
    const found = this.bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return found;
  }

  number(bytes: 1 | 2 | 4, what: string): number {
    return this.take(bytes, what).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** Length-prefixed. */
  field(lengthBytes: 1 | 2, what: string): Uint8Array {
    return this.take(this.number(lengthBytes, `the length of ${what}`), what);
  }

  text(what: string, form: RegExp): string {
    const bytes = this.field(1, what);
    let text: string;
    try {
      text = fromUtf8(bytes);
    } catch {
      throw this.problem(`${what} is not UTF-8`);
    }
    if (!form.test(text)) throw this.problem(`${what} has not the form it must have`);
    return text;
  }

  /** Decimal digits, as CPS writes lengths. */
  decimal(digits: number, what: string): number {
    let value = 0;
    for (const byte of this.take(digits, what)) {
      if (byte < 0x30 || byte > 0x39) throw this.problem(`${what} has something else than decimal digits`);
      value = value * 10 + byte - 0x30;
    }
    return value;
  }

  end(what: string): void {
    if (this.left > 0) throw this.problem(`${String(this.left)} bytes follow after ${what}`);
  }

  problem(hint: string): IssuerDataProblem {
    return new IssuerDataProblem(`${this.where}, byte ${String(this.#at)}`, hint);
  }
}
