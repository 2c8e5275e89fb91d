/** A body of the shop floor to be asked questions: a copy of its memory answers, so that nothing changes and no blank is made. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import { memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { servedBy } from "../devices/shop-floor/body-hold.js";
import { faultsOf } from "../devices/shop-floor/lot-book.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { dataRoot } from "./config.js";
import { knownDataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

/** Why a body cannot be used now. */
export const servedText = (label: string, holder: number): string =>
  `${label} lies in a reader: "card serve" serves it as process ${String(holder)}. End that with Ctrl-C first`;

/** Throws Refusal when there is no such body, or its chip was not made yet. */
export function copiedCard(label: string, options: { readonly data?: string }): VirtualCard {
  const data = knownDataFolder(dataRoot(options.data));
  const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random });
  const floor = new ShopFloor(data.shopFloor, silicon);
  try {
    const body = floor.find(label);
    if (body === undefined) {
      throw new Refusal(
        `there is no body ${label} on the shop floor of ${data.root}; "persoline stock list --lot LOT" shows the labels`,
      );
    }
    const memory = join(body.dir, "chip.eeprom");
    if (!existsSync(memory)) {
      throw new Refusal(`${label} lies untouched in the hopper: its chip is made when it is first fed`);
    }
    const holder = servedBy(body.dir);
    if (holder !== undefined) throw new Refusal(servedText(label, holder));
    const eeprom = memoryStore(new Uint8Array(readFileSync(memory)));
    return silicon.power({ eeprom, faults: faultsOf(body.dir).chip });
  } finally {
    floor.close();
  }
}
