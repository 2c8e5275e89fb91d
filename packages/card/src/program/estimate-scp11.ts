import { cmacBlocks, type Estimate, figure } from "./figure.js";
import { type CardTiming, exchangeWire, type Wire } from "./timing.js";
import type { Scp11ChannelSpec, Scp11HostSpec } from "./channel-spec.js";

/** The card's work (docs/gp-card.md 8): an agreement or a new pair, a signature's verification, a block of SHA-256. */
const multiplyMicros = 15_000;
const verifyMicros = 20_000;
const hashMicros = 100;
/** One certificate that names its chip, every other name of it one byte long, in its store: what a card has to say at least. */
const leastStore = 178;

/** GET DATA BF21 with the key's name. */
export const scp11OpenCost = (timing: CardTiming): Estimate =>
  figure(timing, exchangeWire(timing, 5 + 6 + 1, leastStore + 2), {});

/** All PERFORM SECURITY OPERATION, which are as many commands as the certificates take. */
export function scp11HostCost({ certificates }: Scp11HostSpec, timing: CardTiming): Estimate {
  const commands = certificates.flatMap(({ length }) =>
    Array.from({ length: Math.ceil(length / 255) }, (_, at) => Math.min(255, length - at * 255)),
  );
  const wire = commands
    .map((length) => exchangeWire(timing, 5 + length, 2))
    .reduce<Wire>(
      (sum, one) => ({ micros: sum.micros + one.micros, characters: sum.characters + one.characters }),
      { micros: 0, characters: 0 },
    );
  return {
    ...figure(timing, wire, { micros: certificates.length * verifyMicros }),
    apdus: commands.length,
  };
}

/** 83 bytes for 86: two agreements and, but for c, a new pair; five keys, and the receipt over both sides' data. */
export function scp11AgreementCost({ variant, keyLength }: Scp11ChannelSpec, timing: CardTiming): Estimate {
  const multiplications = variant === "c" ? 2 : 3;
  const hashes = 2 * Math.ceil((5 * keyLength) / 32);
  return figure(timing, exchangeWire(timing, 5 + 83 + 1, 86 + 2), {
    micros: multiplications * multiplyMicros + hashes * hashMicros,
    aes: cmacBlocks(83 + 68),
  });
}
