/** The end of a card (docs/card-os.md 1): of its keys and PINs, and of what was last written, nothing stays in EEPROM. */
import { type Chip, MemoryFailure } from "../chip.js";
import { layout, pageSize } from "../layout.js";
import { type Directory, pagesOf } from "./directory.js";
import { BODIES, BUFFER, BUFFER_PAGES } from "./layout.js";

const pagesFrom = (address: number, count: number): number[] =>
  Array.from({ length: count }, (_, at) => address + at * pageSize);

/** Where secrets may lie: addresses of pages, in the order in which they are erased. */
function secretPages(directory: Directory): number[] {
  return [
    ...pagesFrom(layout.keySetPair, 2),
    ...directory.dfs().flatMap(({ body }) => pagesFrom(body, 2)),
    ...pagesFrom(BUFFER, BUFFER_PAGES),
  ];
}

/** Body pages of no file that hold more than what TEST EEPROM or an erasure left: copies of large transactions. */
function leftPages(chip: Chip, directory: Directory): number[] {
  const files = directory.all(() => true);
  return pagesFrom(BODIES, (BUFFER - BODIES) / pageSize).filter(
    (at) =>
      !isEmpty(chip.read(at, pageSize)) &&
      !files.some((file) => at >= file.body && at < file.body + pagesOf(file) * pageSize),
  );
}

/** FF, or the pattern of TEST EEPROM or its inverse. */
const isEmpty = (page: Uint8Array): boolean =>
  [0xff, 0xaa, 0x55].includes(page[0] ?? 0) &&
  page.every((byte, at) => byte === (page[0] === 0xff || at % 2 === 0 ? page[0] : 0xff ^ (page[0] ?? 0)));

const isErased = (chip: Chip, at: number): boolean => chip.read(at, pageSize).every((byte) => byte === 0xff);

/** All of them, whatever they hold: the command costs the same on every card. */
export function eraseSecrets(chip: Chip, directory: Directory): void {
  erase(chip, [...secretPages(directory), ...leftPages(chip, directory)]);
}

/** At a reset of a terminated card: what a tear or a failing page left. */
export function finishErasing(chip: Chip, directory: Directory): void {
  const left = secretPages(directory).filter((at) => !isErased(chip, at));
  erase(chip, [...left, ...leftPages(chip, directory)]);
}

/** One page that fails does not keep the others. Throws its MemoryFailure when all have been tried. */
function erase(chip: Chip, pages: readonly number[]): void {
  let failure: MemoryFailure | undefined;
  for (const at of pages) {
    try {
      chip.fill(at, 1, 0xff);
    } catch (problem) {
      if (!(problem instanceof MemoryFailure)) throw problem;
      failure ??= problem;
    }
  }
  if (failure !== undefined) throw failure;
}
