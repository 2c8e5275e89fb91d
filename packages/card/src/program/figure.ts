import type { CardTiming, Wire } from "./timing.js";

/** The planner's lower bound for one card: what must cross the wire, be written and be computed; no reader, no host. */
export interface Estimate {
  readonly ms: number;
  readonly wireMs: number;
  readonly writeMs: number;
  readonly cryptoMs: number;
  /** Self-tests and checksums. */
  readonly workMs: number;
  readonly characters: number;
  readonly pages: number;
  readonly apdus: number;
}

export interface Work {
  readonly aes?: number;
  readonly pages?: number;
  readonly shortPulse?: boolean;
  readonly micros?: number;
}

/** What one command costs on the wire and inside the card. */
export function figure(timing: CardTiming, wire: Wire, work: Work): Estimate {
  const wireMs = wire.micros / 1000;
  const writeMs = (work.pages ?? 0) * (work.shortPulse === true ? timing.shortPageMs : timing.pageMs);
  const cryptoMs = ((work.aes ?? 0) * timing.aesMicros) / 1000;
  const workMs = (work.micros ?? 0) / 1000;
  return {
    ms: wireMs + writeMs + cryptoMs + workMs,
    wireMs,
    writeMs,
    cryptoMs,
    workMs,
    characters: wire.characters,
    pages: work.pages ?? 0,
    apdus: 1,
  };
}

/** AES blocks of one CMAC over so many bytes, its two subkeys counted as one (docs/card-os.md 8). */
export const cmacBlocks = (bytes: number): number => Math.max(1, Math.ceil(bytes / 16)) + 1;
