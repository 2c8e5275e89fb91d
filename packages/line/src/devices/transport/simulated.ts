import type { World } from "@persoline/card/program";
import { DeviceFault } from "../problem.js";
import type { ShopFloor } from "../shop-floor/floor.js";
import { nameOf } from "../shop-floor/places.js";
import type { Transport } from "./port.js";

/**
 * A carousel over the shop floor: every move takes `moveMs`, moves between different places go on at the same time.
 * `jams`: the nth move (counted from 1) gets stuck: it does not happen and the machine says so.
 */
export function simulatedCarousel(at: {
  readonly floor: ShopFloor;
  readonly world: World;
  readonly moveMs: number;
  readonly jams?: readonly number[];
}): Transport {
  const { floor, world, moveMs, jams = [] } = at;
  let moves = 0;
  const jam = (where: string): void => {
    moves++;
    if (jams.includes(moves))
      throw new DeviceFault("carousel", "jam", `a card is stuck on its way to ${where}`);
  };
  return {
    kind: "simulated",
    moveMs,
    feed: async (to) => {
      if (floor.nextBlank() === undefined) return "empty";
      jam(nameOf(to));
      const fed = floor.feed(to);
      await world.sleep(moveMs);
      return fed === undefined ? "empty" : { label: fed.label };
    },
    move: async (from, to) => {
      jam(nameOf(to));
      await world.sleep(moveMs);
      floor.move(from, to);
    },
    occupied: () => Promise.resolve(floor.occupied()),
  };
}
