/** What the vault holds between two calls for whoever asked: by number, only so much of it, and only for so long. */
import { VaultRefusal } from "./vault-refusal.js";

export interface HeldOptions<T> {
  /** In words, for refusals: "session". */
  readonly what: string;
  readonly most: number;
  /** Nothing is held longer, whoever forgot it. */
  readonly lifeMs: number;
  /** Wipes what is no longer held, however that came. */
  readonly end: (one: T) => void;
}

export class Held<T> {
  readonly #options: HeldOptions<T>;
  readonly #nextId: () => number;
  /** In the order of their age. */
  readonly #all = new Map<number, { readonly one: T; readonly since: number }>();
  #timer: NodeJS.Timeout | undefined;

  /** `nextId`: shared with other tables, so that no number means two things. */
  constructor(nextId: () => number, options: HeldOptions<T>) {
    this.#nextId = nextId;
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Throws VaultRefusal when there is no room; what was to be held is ended then. */
  add(one: T): number {
    const { what, most, end } = this.#options;
    this.#forgetOld();
    if (this.#all.size >= most) {
      end(one);
      throw new VaultRefusal(`${most} ${what}s are open: close those that are done`);
    }
    const id = this.#nextId();
    this.#all.set(id, { one, since: performance.now() });
    this.#watch();
    return id;
  }

  /** Throws VaultRefusal: there is none of this number, or no longer. */
  get(id: number): T {
    this.#forgetOld();
    const held = this.#all.get(id);
    if (held !== undefined) return held.one;
    const { what, lifeMs } = this.#options;
    throw new VaultRefusal(
      `there is no ${what} ${id}: it is closed, or was opened more than ${Math.round(lifeMs / 60_000)} minutes ago`,
    );
  }

  /** Nothing when it is gone already. */
  close(id: number): void {
    const held = this.#all.get(id);
    this.#all.delete(id);
    if (held !== undefined) this.#options.end(held.one);
  }

  clear(): void {
    for (const id of this.#all.keys()) this.close(id);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #forgetOld(): void {
    const oldest = performance.now() - this.#options.lifeMs;
    for (const [id, { since }] of this.#all) {
      if (since > oldest) return;
      this.close(id);
    }
  }

  /** Also when nobody asks anything any more; keeps no process alive. */
  #watch(): void {
    if (this.#timer !== undefined) return;
    const [first] = this.#all.values();
    if (first === undefined) return;
    const left = Math.max(0, first.since + this.#options.lifeMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#forgetOld();
      this.#watch();
    }, left).unref();
  }
}
