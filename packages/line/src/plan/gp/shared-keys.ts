/** Diversification that does not tell the cards of a stock from each other: VISA's methods leave bytes of the chip number out. */
import { hex, unhex } from "@persoline/card/bytes";
import { diversifyingBytes } from "@persoline/card/globalplatform";
import type { Serial } from "@persoline/card/program";
import type { GpProduct } from "./model.js";

/** Two cards that would have the same keys under this channel. */
export interface Twins {
  readonly channel: "initial" | "channel";
  readonly method: "emv-cps" | "visa2" | "visa";
  readonly one: Serial;
  readonly other: Serial;
}

/** Looks at chip numbers one by one, and tells the first two alike for each channel. */
export class SharedKeys {
  readonly #seen: readonly { readonly of: Omit<Twins, "one" | "other">; readonly by: Map<string, Serial> }[];
  readonly #twins: Twins[] = [];

  constructor(product: Pick<GpProduct, "initial" | "channel">) {
    this.#seen = (["initial", "channel"] as const).flatMap((channel) => {
      const spec = product[channel];
      if (spec.protocol !== "scp02" || spec.diversify === "none") return [];
      return [{ of: { channel, method: spec.diversify }, by: new Map<string, Serial>() }];
    });
  }

  /** Whether anything can come of it. */
  get asks(): boolean {
    return this.#seen.length > 0;
  }

  add(serial: Serial): void {
    const kdd = unhex(serial);
    // Of another kind of card: it never meets these keys.
    if (kdd.length !== 10) return;
    for (const { of, by } of this.#seen) {
      if (this.#twins.some(({ channel }) => channel === of.channel)) continue;
      const part = hex(diversifyingBytes(kdd, of.method));
      const other = by.get(part);
      if (other === undefined) by.set(part, serial);
      else if (other !== serial) this.#twins.push({ ...of, one: other, other: serial });
    }
  }

  get twins(): readonly Twins[] {
    return this.#twins;
  }
}

export const twinsText = ({ method, one, other }: Twins): string =>
  `${method} leaves out the bytes by which chip ${one} differs from ${other}: both would have the same keys`;
