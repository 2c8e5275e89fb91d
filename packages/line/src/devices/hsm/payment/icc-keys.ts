/** Key pairs of payment cards, drawn ahead in threads of the module's own process, so that no card waits for its key. */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { RsaKeyPair } from "@persoline/card/node";
import { VaultRefusal } from "../vault-refusal.js";
import type { IccKeyFigures } from "../port.js";

/** What primes are made of. */
export type Stream = { readonly seed: string } | { readonly secret: Uint8Array };
export interface DrawAsk {
  readonly id: number;
  readonly bits: number;
  readonly stream: Stream;
}
export interface DrawAnswer {
  readonly id: number;
  readonly pair: RsaKeyPair;
}

/** From `src` and `dist` alike: threads start from what the compiler wrote. */
const workerFile = new URL("../../../../dist/devices/hsm/payment/icc-key-worker.js", import.meta.url);

/** Bytes of the module's generator for one pair: key and counter of the thread's stream. */
const SECRET = 48;
const MOST_READY = 4096;
/** Of so many pairs the primes are remembered, as digests: none may come twice. */
const REMEMBERED = 8192;
/** What cards can have: 1,024 to 1,408 bits (docs/payment-card.md 2). */
const MODULUS_BYTES = { least: 128, most: 176 };

interface Job {
  readonly bits: number;
  /** Absent: from the generator, at the last moment. */
  readonly seed?: string;
  readonly done: (pair: RsaKeyPair) => void;
  readonly failed: (why: unknown) => void;
}

interface Pool {
  size: number;
  readonly ready: RsaKeyPair[];
  drawing: number;
  drawn: number;
  waited: number;
}

/** The caller has the pair and wipes it. */
export const wipePair = ({ privateKey }: Pick<RsaKeyPair, "privateKey">): void => {
  for (const part of [privateKey.p, privateKey.q, privateKey.dp, privateKey.dq, privateKey.qInverse])
    part.fill(0);
};

export class IccKeys {
  readonly #random: (length: number) => Uint8Array;
  readonly #threads: number;
  readonly #pools = new Map<number, Pool>();
  readonly #jobs: Job[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  readonly #primes = new Set<string>();
  #next = 1;
  /** The generator failed: nothing is drawn ahead until somebody asks again. */
  #paused = false;
  #closed = false;

  /** `random`: the module's watched generator; what it throws reaches whoever waits for a pair. */
  constructor(
    random: (length: number) => Uint8Array,
    // All of them: while pairs are drawn for an order, the line stands and the module's own thread has little to do.
    threads = Math.min(4, availableParallelism()),
  ) {
    this.#random = random;
    this.#threads = threads;
  }

  /** So many are kept ready from now on. Throws VaultRefusal. */
  ahead({ modulusBytes, size }: { readonly modulusBytes: number; readonly size: number }): IccKeyFigures {
    if (!Number.isInteger(size) || size < 0 || size > MOST_READY)
      throw new VaultRefusal(`0 to ${MOST_READY} key pairs are kept ready, not ${size}`);
    const pool = this.#pool(modulusBytes);
    pool.size = size;
    for (const pair of pool.ready.splice(size)) wipePair(pair);
    this.#paused = false;
    this.#pump();
    return figuresOf(modulusBytes, pool);
  }

  figures(): IccKeyFigures[] {
    return [...this.#pools].map(([modulusBytes, pool]) => figuresOf(modulusBytes, pool));
  }

  /** A pair that nobody else gets; the caller wipes it. */
  take(modulusBytes: number): Promise<RsaKeyPair> {
    const pool = this.#pool(modulusBytes);
    const ready = pool.ready.shift();
    this.#paused = false;
    if (ready !== undefined) {
      this.#pump();
      return Promise.resolve(ready);
    }
    pool.waited++;
    return this.#draw(8 * modulusBytes).then((pair) => {
      pool.drawn++;
      return pair;
    });
  }

  /** The pair of a test seed, the same each time. */
  ofSeed(modulusBytes: number, seed: string): Promise<RsaKeyPair> {
    this.#pool(modulusBytes);
    return this.#draw(8 * modulusBytes, seed);
  }

  close(): void {
    this.#closed = true;
    const gone = new VaultRefusal("the module is closed");
    for (const job of [...this.#jobs.splice(0), ...this.#busy.values()]) job.failed(gone);
    for (const worker of [...this.#idle.splice(0), ...this.#busy.keys()]) void worker.terminate();
    this.#busy.clear();
    for (const { ready } of this.#pools.values()) for (const pair of ready.splice(0)) wipePair(pair);
    this.#pools.clear();
  }

  #pool(modulusBytes: number): Pool {
    const { least, most } = MODULUS_BYTES;
    if (
      !Number.isInteger(modulusBytes) ||
      modulusBytes < least ||
      modulusBytes > most ||
      modulusBytes % 2 !== 0
    )
      throw new VaultRefusal(
        `a card's key has ${least} to ${most} bytes, an even number, not ${modulusBytes}`,
      );
    const pool = this.#pools.get(modulusBytes) ?? { size: 0, ready: [], drawing: 0, drawn: 0, waited: 0 };
    this.#pools.set(modulusBytes, pool);
    return pool;
  }

  #draw(bits: number, seed?: string): Promise<RsaKeyPair> {
    if (this.#closed) return Promise.reject(new VaultRefusal("the module is closed"));
    return new Promise((done, failed) => {
      this.#jobs.push({ bits, ...(seed === undefined ? {} : { seed }), done, failed });
      this.#pump();
    });
  }

  /** Whoever waits comes first; then the pools are filled. */
  #pump(): void {
    while (!this.#closed && this.#busy.size < this.#threads) {
      const job = this.#jobs.shift() ?? this.#filling();
      if (job === undefined) return;
      let stream: Stream;
      try {
        stream = job.seed === undefined ? { secret: this.#random(SECRET) } : { seed: job.seed };
      } catch (why) {
        job.failed(why);
        continue;
      }
      const worker = this.#idle.pop() ?? this.#worker();
      this.#busy.set(worker, job);
      const ask: DrawAsk = { id: this.#next++, bits: job.bits, stream };
      worker.postMessage(ask);
      if ("secret" in stream) stream.secret.fill(0);
    }
  }

  #filling(): Job | undefined {
    if (this.#paused) return undefined;
    const found = [...this.#pools].find(([, pool]) => pool.ready.length + pool.drawing < pool.size);
    if (found === undefined) return undefined;
    const [modulusBytes, pool] = found;
    pool.drawing++;
    return {
      bits: 8 * modulusBytes,
      done: (pair) => {
        pool.drawing--;
        pool.drawn++;
        if (pool.ready.length < pool.size) pool.ready.push(pair);
        else wipePair(pair);
      },
      failed: () => {
        pool.drawing--;
        this.#paused = true;
      },
    };
  }

  #worker(): Worker {
    const worker = new Worker(workerFile, { execArgv: [] });
    worker.unref();
    worker.on("message", ({ pair }: DrawAnswer) => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      if (job === undefined || this.#closed) return wipePair(pair);
      this.#idle.push(worker);
      if (job.seed === undefined && this.#isRepeated(pair)) {
        wipePair(pair);
        job.failed(
          new VaultRefusal(
            "a prime number came a second time: the random generator repeats itself. No key is made with it; look at the machine or the token",
          ),
        );
      } else job.done(pair);
      this.#pump();
    });
    const lost = (): void => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
      job?.failed(new VaultRefusal("the thread that draws cards' keys ended; ask again"));
      this.#pump();
    };
    worker.on("error", lost);
    worker.on("exit", lost);
    return worker;
  }

  /** Two cards that share a prime give each other's keys away. */
  #isRepeated({ privateKey: { p, q } }: RsaKeyPair): boolean {
    const digests = [p, q].map((prime) =>
      createHash("sha256").update(prime).digest("base64url").slice(0, 16),
    );
    if (digests.some((one) => this.#primes.has(one))) return true;
    for (const one of digests) this.#primes.add(one);
    for (const oldest of this.#primes) {
      if (this.#primes.size <= 2 * REMEMBERED) break;
      this.#primes.delete(oldest);
    }
    return false;
  }
}

const figuresOf = (modulusBytes: number, { size, ready, drawn, waited }: Pool): IccKeyFigures => ({
  modulusBytes,
  size,
  ready: ready.length,
  drawn,
  waited,
});
