/** A body of the shop floor that somebody wants to have in a reader of his own. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { inMachineOf, servedBy } from "../devices/shop-floor/body-hold.js";
import type { Body, ShopFloor } from "../devices/shop-floor/floor.js";
import { Refusal } from "./problem.js";

/** Why a body cannot be used now. */
export const servedText = (label: string, holder: string): string =>
  `${label} lies in a reader: "card serve" serves it as ${holder}. End that with Ctrl-C first`;

/** Throws Refusal when there is no such body, its chip was not made yet, or a line or another process has it. */
export function lyingBody(floor: ShopFloor, shopFloor: string, label: string): Body {
  const body = floor.find(label);
  if (body === undefined) {
    throw new Refusal(
      `there is no body ${label} on the shop floor at ${shopFloor}; "persoline stock list --lot LOT" shows the labels`,
    );
  }
  const working = inMachineOf(shopFloor, body.dir);
  if (working !== undefined) {
    throw new Refusal(
      `${label} is in the machine of line ${working.line}, which runs as ${working.heldBy}: wait until it has left the machine, or stop the run with Ctrl-C`,
    );
  }
  const memory = join(body.dir, "chip.eeprom");
  if (!existsSync(memory) || statSync(memory).size === 0) {
    throw new Refusal(`${label} lies untouched in the hopper: its chip is made when it is first fed`);
  }
  const holder = servedBy(body.dir);
  if (holder !== undefined) throw new Refusal(servedText(label, holder));
  return body;
}
