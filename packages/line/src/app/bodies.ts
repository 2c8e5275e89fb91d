/** Bodies of the simulated shop floor as people who hold one in their hands know it: by its number, and by the chip that answers. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import { CardMute, type Serial } from "@persoline/card/program";
import { memoryStore } from "@persoline/card/virtual";
import { type Body, ShopFloor } from "../devices/shop-floor/floor.js";
import { faultsOf } from "../devices/shop-floor/lot-book.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import type { Place } from "../devices/transport/port.js";
import { disagreements } from "../stations/census.js";
import { identityOf } from "../stations/identity.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { virtualReader } from "./inspect.js";
import { Refusal } from "./problem.js";

/** No body is made by hand: those that people move have been through the machine. */
const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random });
export const floorOf = (data: DataFolder): ShopFloor => new ShopFloor(data.shopFloor, silicon);

/** The chip number that a body answers with; a copy of its memory is asked. Undefined when it is mute, or has no chip yet. */
export async function chipOf({ dir }: Body): Promise<Serial | undefined> {
  const memory = join(dir, "chip.eeprom");
  if (!existsSync(memory)) return undefined;
  const eeprom = memoryStore(new Uint8Array(readFileSync(memory)));
  const reader = virtualReader(silicon.power({ eeprom, faults: faultsOf(dir).chip }));
  try {
    const reset = await reader.insert();
    if (reset === "mute") return undefined;
    const { ask, serialIn } = identityOf({});
    return serialIn(await reset.channel.exchange(ask)) as Serial | undefined;
  } catch (problem) {
    if (problem instanceof CardMute) return undefined;
    throw problem;
  } finally {
    await reader.remove();
  }
}

/**
 * The body of one card at a place, among all that bear its number: the one whose chip answers so, or else the only one that does not
 * answer as another. Undefined when none lies there. Throws Refusal when nobody can tell.
 */
export async function bodyOf(
  floor: ShopFloor,
  { serial, label }: { readonly serial: Serial; readonly label: string },
  place: Place,
): Promise<Body | undefined> {
  const bodies = floor.bodiesAt(place).filter((body) => body.label === label);
  if (bodies.length < 2) return bodies[0];
  const chips = await Promise.all(bodies.map(chipOf));
  const own = bodies.filter((_, at) => chips[at] === serial);
  const silent = bodies.filter((_, at) => chips[at] === undefined);
  const chosen = own.length > 0 ? own : silent;
  if (chosen.length > 1)
    throw new Refusal(
      `${String(chosen.length)} bodies with the number ${label} lie together, and their chips do not tell which one is ${serial}: put all but the right one elsewhere first`,
    );
  return chosen[0];
}

/** Whether this lot's bodies lie on the simulated shop floor; where real ones lie only people know. */
const isSimulated = (data: DataFolder, lot: string): boolean =>
  existsSync(join(data.shopFloor, "lots", `${lot}.json`));

/** What the shop floor says against the good cards of an order: bodies that are not in their slots, or in a slot that is not theirs. */
export async function outputDifferences(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly order: string;
}): Promise<readonly { readonly what: string; readonly lost?: Serial }[]> {
  const { store, data, order } = ask;
  if (!existsSync(data.shopFloor)) return [];
  const floor = floorOf(data);
  try {
    const lying = floor.census();
    const inOutput = new Set(
      lying.flatMap(({ label, place }) => (place.at === "good" && place.order === order ? [label] : [])),
    );
    const blanks = [];
    for await (const blank of store.stock.list())
      if (
        inOutput.has(blank.label) ||
        (blank.state === "good" && blank.order === order && isSimulated(data, blank.lot))
      )
        blanks.push(blank);
    const labels = new Set([...inOutput, ...blanks.map(({ label }) => label)]);
    const places = new Set(lying.map(({ label }) => label));
    const concerned = lying.filter(({ label }) => labels.has(label));
    const lost = blanks.filter(({ label }) => !places.has(label));
    return disagreements(concerned, blanks).map((what) => {
      const serial = lost.find(({ label }) => what.startsWith(`${label} `))?.serial;
      return { what, ...(serial === undefined ? {} : { lost: serial }) };
    });
  } finally {
    floor.close();
  }
}
