import type { World } from "@persoline/card/program";
import { DeviceFault } from "../problem.js";
import type { ShopFloor } from "../shop-floor/floor.js";
import { nameOf } from "../shop-floor/places.js";
import { type Bin, type BinSizes, bins, isBin, type Transport } from "./port.js";

const nameOfBin: Readonly<Record<Bin, string>> = {
  reject: "the reject bin",
  hold: "the hold bin",
  good: "the output tray",
};

const bodies = (number: number): string => (number === 1 ? "1 body is" : `${String(number)} bodies are`);

/** The machine's fault and nobody's reject. */
const full = (bin: Bin, what: string): DeviceFault =>
  new DeviceFault(
    "carousel",
    "bin-full",
    `${what}: empty it, enter "persoline stock empty ${bin}", and run the same command again`,
  );

/**
 * A carousel over the shop floor: every move takes `moveMs`, moves between different places go on at the same time.
 * `bins`: how many bodies fit. `jams`: the nth move (counted from 1) gets stuck: it does not happen and the machine says so.
 */
export function simulatedCarousel(at: {
  readonly floor: ShopFloor;
  readonly world: World;
  readonly moveMs: number;
  readonly jams?: readonly number[];
  readonly bins?: BinSizes;
}): Transport {
  const { floor, world, moveMs, jams = [], bins: sizes = {} } = at;
  let moves = 0;
  const jam = (where: string): void => {
    moves++;
    if (jams.includes(moves))
      throw new DeviceFault("carousel", "jam", `a card is stuck on its way to ${where}`);
  };
  /** Wherever they end, all bodies in the machine and one more must find room. */
  const roomForAll = (): void => {
    const named = bins.filter((bin) => sizes[bin] !== undefined);
    if (named.length === 0) return;
    const inMachine = floor.occupied().length;
    for (const bin of named) {
      const room = (sizes[bin] ?? 0) - floor.fill(bin);
      if (room < inMachine + 1)
        throw full(bin, `${held(bin)}${inMachine === 0 ? "" : `, and ${bodies(inMachine)} in the machine`}`);
    }
  };
  const held = (bin: Bin): string =>
    `${nameOfBin[bin]} holds ${String(floor.fill(bin))} of ${String(sizes[bin])} bodies`;
  return {
    kind: "simulated",
    moveMs,
    feed: async (to) => {
      if (floor.nextBlank() === undefined) return "empty";
      roomForAll();
      jam(nameOf(to));
      const fed = floor.feed(to);
      await world.sleep(moveMs);
      return fed === undefined ? "empty" : { label: fed.label };
    },
    move: async (from, to) => {
      jam(nameOf(to));
      await world.sleep(moveMs);
      if (isBin(to.at) && floor.fill(to.at) >= (sizes[to.at] ?? Number.POSITIVE_INFINITY))
        throw full(to.at, held(to.at));
      floor.move(from, to);
    },
    carry: async (tray, to) => {
      await world.sleep(moveMs);
      floor.carryTray(tray, to);
    },
    occupied: () => Promise.resolve(floor.occupied()),
  };
}
