/** Durations of docs/card-os.md, section 1, in microseconds. */
const cost = {
  /** 372/1 at 5 MHz: ATR and PPS. */
  slowEtu: 74.4,
  /** 512/32 at 5 MHz: after PPS. */
  fastEtu: 3.2,
  page: 3500,
  shortPage: 350,
  aesBlock: 10,
} as const;

export type Pulse = "normal" | "short";

/**
 * The card's clock: counts events and knows what each lasts. Whole numbers are summed, so that the same events always
 * give the same time, in whatever order they came. A slow card works slowly; its characters keep their pace.
 */
export class Clock {
  readonly #slowness: number;
  #slowEtus = 0;
  #fastEtus = 0;
  #shortPages = 0;
  #otherMicros = 0;
  apdus = 0;
  pagesWritten = 0;
  wireCharacters = 0;
  aesBlocks = 0;

  constructor(slowness: number) {
    this.#slowness = slowness;
  }

  /** Characters at 372/1, 12 etu from leading edge to leading edge. */
  slowCharacters(count: number): void {
    this.wireCharacters += count;
    this.#slowEtus += count * 12;
  }

  /** T=1 characters after PPS and the silence before them. */
  fast(characters: number, etus: number): void {
    this.wireCharacters += characters;
    this.#fastEtus += etus;
  }

  page(pulse: Pulse): void {
    this.pagesWritten++;
    if (pulse === "short") this.#shortPages++;
  }

  aes(blocks: number): void {
    this.aesBlocks += blocks;
  }

  work(micros: number): void {
    this.#otherMicros += micros;
  }

  get elapsedMicros(): number {
    return this.#slowEtus * cost.slowEtu + this.#fastEtus * cost.fastEtu + this.workMicros;
  }

  /** Without what passed the contacts. */
  get workMicros(): number {
    const pages = (this.pagesWritten - this.#shortPages) * cost.page + this.#shortPages * cost.shortPage;
    const work = pages + this.aesBlocks * cost.aesBlock + this.#otherMicros;
    return work * this.#slowness;
  }
}
