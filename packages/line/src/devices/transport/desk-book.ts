/** Where the cards of a desk lie, as far as its operator has confirmed it: one line a move, durable before the line goes on. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
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
  }

  put(label: string | undefined, place: Place): void {
    const entry: Entry = { ...(label === undefined ? {} : { label }), place };
    if (this.#open === undefined) {
      mkdirSync(dirname(this.#file), { recursive: true });
      this.#open = openSync(this.#file, "a");
      // After a line that was cut off, a new one begins.
      const text = existsSync(this.#file) ? readFileSync(this.#file, "utf8") : "";
      if (text !== "" && !text.endsWith("\n")) writeSync(this.#open, "\n");
    }
    writeSync(this.#open, `${JSON.stringify(entry)}\n`);
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
