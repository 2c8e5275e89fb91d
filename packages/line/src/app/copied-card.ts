/** A body of the shop floor to be asked questions: a copy of its memory answers, so that nothing changes and no blank is made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import { memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { faultsOf } from "../devices/shop-floor/lot-book.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { dataRoot } from "./config.js";
import { knownDataFolder } from "./data-folder.js";
import { lyingBody } from "./lying-body.js";

/** Throws Refusal when there is no such body, its chip was not made yet, or a line or another process has it. */
export function copiedCard(label: string, options: { readonly data?: string }): VirtualCard {
  const data = knownDataFolder(dataRoot(options.data));
  const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random });
  const floor = new ShopFloor(data.shopFloor, silicon);
  try {
    const body = lyingBody(floor, data.shopFloor, label);
    const eeprom = memoryStore(new Uint8Array(readFileSync(join(body.dir, "chip.eeprom"))));
    return silicon.power({ eeprom, faults: faultsOf(body.dir).chip });
  } finally {
    floor.close();
  }
}
