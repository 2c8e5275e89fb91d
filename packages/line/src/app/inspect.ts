/** Brings a card and the inspection together: whatever reader it lies at. */
import { type Inspection, inspectCard } from "@persoline/card/inspect";
import type { VirtualCard } from "@persoline/card/virtual";
import type { Reader } from "../devices/reader/port.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import type { Product } from "../plan/product.js";
import { idealWorld } from "../stations/world.js";

const mute: Inspection = {
  atr: ["no answer to reset: the card is mute"],
  facts: [],
  applications: [],
  files: [],
};

/** Powers the card at a reader, asks it and takes the power away. `product`: whose files are looked for beside the usual ones. */
export async function inspectAt(reader: Reader, product?: Product): Promise<Inspection> {
  try {
    const reset = await reader.insert();
    if (reset === "mute") return mute;
    const wanted = product?.dfs.map(({ name, aid, files }) => ({
      name,
      files,
      ...(aid === undefined ? {} : { aid }),
    }));
    return await inspectCard(reset.channel, {
      atr: reset.atr,
      ...(wanted === undefined ? {} : { wanted }),
    });
  } finally {
    await reader.remove();
  }
}

/** A reader for a virtual card that lies nowhere on the shop floor, or for a copy of one. */
export function virtualReader(card: VirtualCard): Reader {
  return simulatedReader({
    name: "inspection",
    place: { at: "hopper" },
    floor: { cardAt: () => card },
    world: idealWorld(),
    timing: "ideal",
  });
}

export const inspectVirtual = (card: VirtualCard, product?: Product): Promise<Inspection> =>
  inspectAt(virtualReader(card), product);
