/**
 * Loaded before the program (`node --import spied.test.data.js?said=FILE`): says in that file, before and after each command that a chip of
 * the shop floor is given, which body it is, at which station, and the instruction. Changes nothing else; who traces the process finds
 * the commands between the writes of its files.
 */
import { openSync, writeSync } from "node:fs";
import type { VirtualCard } from "@persoline/card/virtual";
import { ShopFloor } from "../devices/shop-floor/floor.js";

const file = openSync(new URL(import.meta.url).searchParams.get("said") ?? "", "w");
const say = (...words: readonly string[]): void => void writeSync(file, `${words.join(" ")}\n`);

interface Spied {
  readonly card: VirtualCard;
  /** One body visits many heads: where it is now. */
  station: string;
}
const spied = new WeakMap<VirtualCard, Spied>();

function spy(card: VirtualCard, label: string): Spied {
  const made: Spied = {
    station: "",
    card: {
      powerOn: () => card.powerOn(),
      warmReset: () => card.warmReset(),
      powerOff: () => {
        card.powerOff();
      },
      transmit: (apdu) => {
        const words = [label, made.station, (apdu[1] ?? 0).toString(16).padStart(2, "0")];
        say("before", ...words);
        const answer = card.transmit(apdu);
        say("after", ...words);
        return answer;
      },
      get elapsedMicros() {
        return card.elapsedMicros;
      },
      get counters() {
        return card.counters;
      },
    },
  };
  spied.set(card, made);
  return made;
}

// The method as it stands in the class: called on each floor below.
const cardAt = Reflect.get(ShopFloor.prototype, "cardAt") as ShopFloor["cardAt"];

ShopFloor.prototype.cardAt = function (place) {
  const card = cardAt.call(this, place);
  const label = this.bodyAt(place)?.label;
  if (card === undefined || label === undefined || place.at !== "head") return card;
  const known = spied.get(card) ?? spy(card, label);
  known.station = place.station;
  return known.card;
};
