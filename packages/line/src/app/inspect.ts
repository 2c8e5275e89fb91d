/** Brings a card and the inspection together: whatever reader it lies at. */
import { matchAtr } from "@persoline/card/atr";
import { type InspectOptions, type Inspection, inspectCard } from "@persoline/card/inspect";
import type { VirtualCard } from "@persoline/card/virtual";
import type { Reader } from "../devices/reader/port.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import type { AnyProduct } from "../plan/product.js";
import { idealWorld } from "../stations/world.js";

/** `otherCard`: the answer to reset is not that of the product whose files were looked for. */
export type Inspected = Inspection & { readonly otherCard?: string };

const mute: Inspected = {
  atr: ["no answer to reset: the card is mute"],
  ended: "the card did not answer its reset",
  facts: [],
  applications: [],
  files: [],
  missing: [],
};

/**
 * Powers the card at a reader, asks it and takes the power away. `product`: whose files are looked for beside the usual ones, in the way
 * that its cards are declared to bear.
 */
export async function inspectAt(reader: Reader, product?: AnyProduct): Promise<Inspected> {
  try {
    const reset = await reader.insert();
    if (reset === "mute") return mute;
    const { atr } = reset;
    const found = await inspectCard(reset.channel, {
      atr,
      ...(product === undefined ? {} : wantedOf(product)),
    });
    if (product === undefined || Object.values(product.atr).some((own) => matchAtr(own, atr))) return found;
    return {
      ...found,
      otherCard: `cards of ${product.name} have another ATR: this is a card of another kind, or not completed by this product`,
    };
  } finally {
    await reader.remove();
  }
}

/** What is looked for on cards of a product. A DESFire-style card lists its applications and files by itself. */
function wantedOf(product: AnyProduct): Pick<InspectOptions, "wanted" | "silently"> {
  switch (product.kind) {
    case "persoline-os":
      return {
        wanted: product.dfs.map(({ name, aid, files }) => ({
          name,
          files,
          ...(aid === undefined ? {} : { aid }),
        })),
      };
    case "globalplatform":
      return { wanted: product.applications.map(({ name, aid }) => ({ name, aid, files: [] })) };
    case "desfire":
      return {};
    case "iso7816": {
      const files = product.files.map(({ ef, fid }) => ({ name: ef, fid: Number.parseInt(fid, 16) }));
      const mood = product.card.moods.find((one) => one.mood === "select-without-answer");
      return {
        wanted: [{ name: "MF", files }],
        ...(mood === undefined
          ? {}
          : { silently: `${product.name} declares select-without-answer, seen on ${mood["seen-on"]}` }),
      };
    }
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

export const inspectVirtual = (card: VirtualCard, product?: AnyProduct): Promise<Inspected> =>
  inspectAt(virtualReader(card), product);
