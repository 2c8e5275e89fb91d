import { CardProblem, concat } from "../bytes/index.js";
import type { Link } from "./link.js";
import { type Block, decodeBlock, encodeBlock, type ReadBlock } from "./t1-block.js";
import type { Transmission } from "./timing.js";

/** Sends a block and waits for the card's, at most `times` BWT. Undefined: nothing came. */
export interface BlockPort {
  exchange(block: Block, times: number): ReadBlock | undefined;
}

/** First attempt and two repetitions (rule 7.4.1). */
const mostAttempts = 3;
/** Blocks beside the information of one command: WTX, IFS, repetitions. A card that wants more is not getting anywhere. */
const mostDetours = 1000;
const mostAnswer = 65_536 + 2;
const announcedIfsd = 254;

/** The reader's side of T=1 (ISO/IEC 7816-3, 11.6), rules as numbered there. One object from reset to reset. */
export class BlockProtocol {
  readonly #port: BlockPort;
  #ifsc: number;
  #ns: 0 | 1 = 0;
  /** Number of the card's next I-block. */
  #nr: 0 | 1 = 0;
  #detours = 0;
  #dead = false;

  constructor(port: BlockPort, ifsc: number) {
    this.#port = port;
    this.#ifsc = ifsc;
  }

  /** Announces IFSD 254: the first block after PPS. Throws CardProblem `line-silent`, `line-protocol`. */
  announce(): void {
    this.#guarded(() => {
      const request = { kind: "S", what: "ifs", response: false, value: announcedIfsd } as const;
      this.#talk(request, (got) => got.kind === "S" && got.response && got.what === "ifs");
    });
  }

  /**
   * One APDU and its answer, byte for byte. Throws CardProblem `line-silent` when the card stays silent, `line-protocol` when it breaks
   * the rules or gives up, `endless-response` for an answer beyond 64 KiB. After any of them the card has to be reset: what became of the
   * command is not known.
   */
  transmit(apdu: Uint8Array): Uint8Array {
    if (this.#dead) throw problem("line-protocol", "the exchange before broke off: reset the card");
    return this.#guarded(() => {
      this.#detours = 0;
      return this.#receive(this.#send(apdu));
    });
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      this.#dead = true;
      throw thrown;
    }
  }

  /** Chained I-blocks (rule 5); the card's first I-block is what comes back. */
  #send(apdu: Uint8Array): Extract<Block, { kind: "I" }> {
    for (let at = 0; ; ) {
      const inf = apdu.subarray(at, at + this.#ifsc);
      at += inf.length;
      const more = at < apdu.length;
      const block = { kind: "I", ns: this.#ns, more, inf } as const;
      const next = flipped(this.#ns);
      const got = this.#talk(block, (one) =>
        more ? one.kind === "R" && one.nr === next : one.kind === "I" && one.ns === this.#nr,
      );
      this.#ns = next;
      if (got.kind === "I") return got;
    }
  }

  #receive(first: Extract<Block, { kind: "I" }>): Uint8Array {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let got = first; ; ) {
      this.#nr = flipped(this.#nr);
      pieces.push(got.inf);
      length += got.inf.length;
      if (length > mostAnswer)
        throw new CardProblem(
          "endless-response",
          "T=1",
          `the answer has more than ${String(mostAnswer)} bytes`,
        );
      if (!got.more) return concat(...pieces);
      if (got.inf.length === 0) this.#detour();
      const acknowledge = { kind: "R", nr: this.#nr, error: "none" } as const;
      const next = this.#talk(acknowledge, (one) => one.kind === "I" && one.ns === this.#nr);
      if (next.kind === "I") got = next;
    }
  }

  /** Sends a block until the card answers it with what `awaited` accepts; its requests and errors are dealt with on the way. */
  #talk(block: Block, awaited: (got: Block) => boolean): Block {
    let sending: Block = block;
    let attempts = 0;
    let times = 1;
    for (;;) {
      const got = this.#port.exchange(sending, times);
      times = 1;
      if (got !== undefined && got.kind !== "invalid") {
        if (awaited(got)) return got;
        if (got.kind === "S" && !got.response && got.what !== "resynch") {
          this.#detour();
          times = got.what === "wtx" ? Math.max(1, got.value ?? 1) : 1;
          sending = this.#answer(got);
          attempts = 0;
          continue;
        }
        // It never understood our I-block, or asks for it again (rule 7.1, the card's side of it).
        if (got.kind === "R" && block.kind === "I" && got.nr === block.ns) {
          this.#detour();
          if (++attempts >= mostAttempts)
            return this.#resynchronize("the card asks for the same block again");
          sending = block;
          continue;
        }
      }
      this.#detour();
      if (++attempts >= mostAttempts) {
        return this.#resynchronize(got === undefined ? "the card is silent" : "no valid block came");
      }
      sending = this.#complaint(sending, got);
    }
  }

  /** What is sent after an invalid block or none (rules 7.1 to 7.3). */
  #complaint(last: Block, got: ReadBlock | undefined): Block {
    if (last.kind === "R" || (last.kind === "S" && !last.response)) return last;
    const edc = got?.kind === "invalid" && got.why === "edc";
    return { kind: "R", nr: this.#nr, error: edc ? "edc" : "other" };
  }

  /** Rules 3, 4 and 9: requests of the card are answered at once, with the same value. */
  #answer(request: Extract<Block, { kind: "S" }>): Block {
    const response = { ...request, response: true };
    if (request.what === "ifs") this.#ifsc = request.value ?? this.#ifsc;
    if (request.what === "abort") {
      this.#port.exchange(response, 1);
      throw problem("line-protocol", "the card aborted the chain");
    }
    return response;
  }

  /**
   * Rules 6 and 7.4: both sides start again at 0. What became of the command is not known, so it is not sent again: it could burn a try
   * or write twice. Always throws.
   */
  #resynchronize(why: string): never {
    const request = { kind: "S", what: "resynch", response: false } as const;
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const got = this.#port.exchange(request, 1);
      if (got?.kind === "S" && got.response && got.what === "resynch")
        throw problem("line-protocol", `${why}; it answered the resynchronization`);
    }
    throw problem("line-silent", `${why}, also after ${String(mostAttempts)} resynchronizations`);
  }

  #detour(): void {
    if (++this.#detours > mostDetours)
      throw problem("line-endless", `${String(mostDetours)} blocks and still no answer`);
  }
}

const flipped = (number: 0 | 1): 0 | 1 => (number === 0 ? 1 : 0);

function problem(code: "line-silent" | "line-protocol" | "line-endless", hint: string): CardProblem {
  return new CardProblem(code, "T=1", hint);
}

const unsignalled = { signals: false };

/** Blocks as characters on a link: CWT between them, BWT before the first (11.4.3). */
export function blockPort(
  link: Link,
  { bwt, cwt, edc }: Pick<Transmission, "bwt" | "cwt" | "edc">,
): BlockPort {
  const epilogue = edc === "LRC" ? 1 : 2;
  /** After a damaged block: whoever speaks now would not be heard (the rest of it may still come). */
  const drain = (): void => {
    for (let left = 2 * 260; left > 0 && link.receive(cwt, unsignalled) !== undefined; left--);
  };
  return {
    exchange: (block, times) => {
      for (const byte of encodeBlock(block, edc)) link.send(byte, unsignalled);
      const bytes: number[] = [];
      let right = true;
      for (let size = 3 + epilogue; bytes.length < size; ) {
        const came = link.receive(bytes.length === 0 ? times * bwt : cwt, unsignalled);
        if (came === undefined) {
          return bytes.length === 0 ? undefined : { kind: "invalid", why: "other" };
        }
        right &&= came.right;
        bytes.push(came.byte);
        if (bytes.length === 3 && came.byte !== 0xff) size += came.byte;
      }
      const read = right
        ? decodeBlock(Uint8Array.from(bytes), edc)
        : ({ kind: "invalid", why: "edc" } as const);
      if (read.kind === "invalid") drain();
      return read;
    },
  };
}
