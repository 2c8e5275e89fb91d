import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FedCard, Feeder } from "../devices/marker/remote/station.js";
import { shopFloorFeeder } from "./shop-floor-feeder.js";

let data: string;
const away = (tray: number): string => join(data, "shop-floor/elsewhere", `visual.tray-${String(tray)}`);
const lies = (tray: number, slot: number, label: string): void => {
  mkdirSync(join(away(tray), String(slot), `00000${String(slot)}-${label}`), { recursive: true });
};
/** What is done while the chip of the body with this number is asked. */
let meanwhile: ReadonlyMap<string, () => void>;
let feeder: Feeder;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "persoline-feeder-"));
  meanwhile = new Map();
  const chip = ({ label }: { readonly label: string }): Promise<string | undefined> => {
    const happens = meanwhile.get(label);
    happens?.();
    return happens === undefined ? Promise.resolve(`chip ${label}`) : Promise.reject(new Error("it is gone"));
  };
  feeder = shopFloorFeeder({ shopFloor: data, station: "visual" }, () => () => undefined, chip);
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

async function fed(round: number): Promise<string[]> {
  const all: FedCard[] = [];
  for (let one = await feeder.next(round); one !== undefined; one = await feeder.next(round)) all.push(one);
  return all
    .map(({ body, serial, atHead }) => `${basename(body)} ${String(serial)} ${String(atHead)}`)
    .toSorted();
}

test("every body of the trays that are away is given once a round, by what its chip says", async () => {
  lies(1, 1, "L-1");
  lies(2, 2, "L-2");
  mkdirSync(join(data, "shop-floor/machine/visual.head-0/000003-L-3"), { recursive: true });
  const all = ["000001-L-1 chip L-1 false", "000002-L-2 chip L-2 false", "000003-L-3 chip L-3 true"];
  expect(await fed(1)).toEqual(all);
  expect(await fed(1)).toEqual([]);
  expect(await fed(2)).toEqual(all);
});

test("a body whose tray goes back while its chip is asked is not given: it would pass for a mute stranger", async () => {
  lies(1, 1, "L-1");
  lies(2, 2, "L-2");
  meanwhile = new Map([["L-1", () => renameSync(away(1), join(data, "here"))]]);
  expect(await fed(1)).toEqual(["000002-L-2 chip L-2 false"]);
  // One that fails where it lies is a fault.
  meanwhile = new Map([["L-2", () => undefined]]);
  await expect(fed(2)).rejects.toThrow("it is gone");
});
