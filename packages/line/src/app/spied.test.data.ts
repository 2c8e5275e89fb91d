/**
 * Loaded before the program (`node --import`): says on the file named by PERSOLINE_COMMANDS, before and after each command that a chip of
 * the shop floor is given, which body it is, at which station, and the instruction. Changes nothing else; who traces the process finds
 * the commands between the writes of its files.
 */
import { openSync, writeSync } from "node:fs";
import type { VirtualCard } from "@persoline/card/virtual";
import { ShopFloor } from "../devices/shop-floor/floor.js";

const file = openSync(process.env["PERSOLINE_COMMANDS"] ?? "", "w");
const say = (...words: readonly string[]): void => void writeSync(file, `${words.join(" ")}\n`);
const spied = new WeakMap<VirtualCard, VirtualCard>();
// The method as it stands in the class: called on each floor below.
const cardAt = Reflect.get(ShopFloor.prototype, "cardAt") as ShopFloor["cardAt"];

ShopFloor.prototype.cardAt = function (place) {
  const card = cardAt.call(this, place);
  const label = this.bodyAt(place)?.label;
  if (card === undefined || label === undefined || place.at !== "head") return card;
  let spy = spied.get(card);
  if (spy === undefined) {
    // One body visits many heads: where it is now is asked at each command.
    let station = place.station;
    const stand = (at: string): void => {
      station = at;
    };
    spy = new Proxy(card, {
      get(target, name) {
        if (name === "standsAt") return stand;
        if (name === "transmit")
          return (apdu: Uint8Array): Uint8Array | undefined => {
            const words = [label, station, (apdu[1] ?? 0).toString(16).padStart(2, "0")];
            say("before", ...words);
            const answer = target.transmit(apdu);
            say("after", ...words);
            return answer;
          };
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    spied.set(card, spy);
  }
  (spy as VirtualCard & { standsAt(at: string): void }).standsAt(place.station);
  return spy;
};
