/** Where the cards of a desk lie, as far as its operator has confirmed it: one line a move, durable before the line goes on. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Place } from "./port.js";

interface Entry {
  /** Absent: a body whose number nobody could read. */
  readonly label?: string;
  readonly place: Place;
}

export class DeskBook {
  readonly #file: string;
  readonly #places = new Map<string, Place>();
  /** The one head of a desk: what lies there; undefined when it is free. */
  #head: Entry | undefined;
  #open: number | undefined;

  /** A last line that a kill cut off counts as not written. */
  constructor(file: string) {
    this.#file = file;
    if (!existsSync(file)) return;
    const text = readFileSync(file, "utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    for (const line of whole.split("\n")) {
      // What is read here is what this program wrote.
      if (line !== "") this.#enter(JSON.parse(line) as Entry);
    }
    // Or the next line would go on where that one broke off.
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
  }

  put(label: string | undefined, place: Place): void {
    const entry: Entry = { ...(label === undefined ? {} : { label }), place };
    if (this.#open === undefined) {
      mkdirSync(dirname(this.#file), { recursive: true });
      this.#open = openSync(this.#file, "a");
    }
    writeFileSync(this.#open, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#open);
    this.#enter(entry);
  }

  #enter(entry: Entry): void {
    const { label, place } = entry;
    if (label !== undefined) this.#places.set(label, place);
    if (place.at === "head") this.#head = entry;
    else this.#head = undefined;
  }

  atHead(): { readonly label: string | undefined; readonly place: Place } | undefined {
    return this.#head === undefined ? undefined : { label: this.#head.label, place: this.#head.place };
  }

  placeOf(label: string): Place | undefined {
    return this.#places.get(label);
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open);
    this.#open = undefined;
  }
}
