import type { Fault } from "./types.js";

/** What a card says that is out to harm or to hold up whoever asks; nothing is carried out then. */
export class HostileAnswers {
  readonly #faults: readonly Fault[];
  /** The fault whose 61XX goes on at GET RESPONSE. */
  #more = false;
  #lengths = 0;

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  reset(): void {
    this.#more = false;
  }

  /** Undefined: the card behaves. */
  answer(ins: number): Uint8Array | undefined {
    if (this.#more && ins === 0xc0) return Uint8Array.of(0xee, 0x61, 0x01);
    this.#more = false;
    for (const fault of this.#faults) {
      if (!("ins" in fault) || fault.ins !== ins) continue;
      switch (fault.kind) {
        case "says":
          return fault.answer.slice();
        case "floods":
          return flood(fault.bytes);
        case "endless-more":
          this.#more = true;
          return Uint8Array.of(0x61, 0x01);
        case "endless-length":
          return Uint8Array.of(0x6c, 1 + (this.#lengths++ % 200));
        default:
      }
    }
    return undefined;
  }

  /** Microseconds before the answer to this command. */
  delay(ins: number): number {
    const waits = this.#faults.some((fault) => fault.kind === "waits-for-ever" && fault.ins === ins);
    return waits ? 3_600_000_000 : 0;
  }
}

function flood(bytes: number): Uint8Array {
  const answer = new Uint8Array(bytes + 2).fill(0xee);
  answer.set([0x90, 0x00], bytes);
  return answer;
}

type Random = (length: number) => Uint8Array;

/** The card's generator, or what is left of it. */
export function randomOf(faults: readonly Fault[], good: Random): Random {
  const weak = faults.find((fault) => fault.kind === "weak-random");
  switch (weak?.kind === "weak-random" ? weak.how : undefined) {
    case "constant":
      return (length) => new Uint8Array(length).fill(0x5a);
    case "counts": {
      let next = 0;
      return (length) => Uint8Array.from({ length }, () => next++ & 0xff);
    }
    case "repeats": {
      // As many bytes as a generator gives that starts from the same seed each time.
      const first = good(64);
      return (length) => Uint8Array.from({ length }, (_, at) => first[at % first.length] ?? 0);
    }
    default:
      return good;
  }
}
