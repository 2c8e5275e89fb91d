/** The lots that were ever delivered to a shop floor: one file each, and what is planted in their bodies. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type BodyFaults, faultsFromText, type LotFile, lotFromText, lotToText } from "./lot.js";

export class LotBook {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  find(lot: string): LotFile | undefined {
    const file = join(this.#folder, `${lot}.json`);
    return existsSync(file) ? lotFromText(readFileSync(file, "utf8")) : undefined;
  }

  /** One rename: a kill leaves the entry as it was, or as it is. */
  keep(lot: LotFile): void {
    const file = join(this.#folder, `${lot.plan.lot}.json`);
    writeFileSync(`${file}.new`, lotToText(lot));
    renameSync(`${file}.new`, file);
  }

  /** Bodies of all lots, delivered so far or on their way in. */
  delivered(): number {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => this.find(basename(name, ".json")))
      .reduce((sum, lot) => Math.max(sum, (lot?.before ?? 0) + (lot?.plan.count ?? 0)), 0);
  }
}

/** What is planted in a body; nothing when it has no `faults.json`. */
export function faultsOf(dir: string): BodyFaults {
  const file = join(dir, "faults.json");
  return existsSync(file) ? faultsFromText(readFileSync(file, "utf8")) : { chip: [], faces: [] };
}
