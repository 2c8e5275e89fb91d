// A card on the bench: what the tests of the virtual card begin with.
import { readFileSync } from "node:fs";
import { nodeCrypto } from "../node/index.js";
import { hex, unhex } from "../src/bytes/index.js";
import {
  type Fault,
  fabricate,
  makeVirtualCard,
  memoryStore,
  type PersolineCard,
} from "../src/virtual/index.js";
import { crc32, imageFolder } from "./image.js";
import { LoaderHost } from "./loader-host.js";

export const image12 = new Uint8Array(readFileSync(new URL("persoline-os-1.2.img", imageFolder)));
export const image13 = new Uint8Array(readFileSync(new URL("persoline-os-1.3.img", imageFolder)));
export const image20 = new Uint8Array(readFileSync(new URL("persoline-os-2.0.img", imageFolder)));
export const image21 = new Uint8Array(readFileSync(new URL("persoline-os-2.1.img", imageFolder)));
export const image22 = new Uint8Array(readFileSync(new URL("persoline-os-2.2.img", imageFolder)));
export const image10 = new Uint8Array(readFileSync(new URL("persoline-os-1.0.img", imageFolder)));
export const chipNumber = unhex("5053000000000000002A");
export const loaderKey = unhex("000102030405060708090A0B0C0D0E0F");
export const keys = ["11", "22", "33"].map((byte) => unhex(byte.repeat(16)));

/** Counts up: no two challenges are alike, and every run is the same. */
function counting(): (length: number) => Uint8Array {
  let next = 0;
  return (length) => Uint8Array.from({ length }, () => next++ & 0xff);
}

export const bytesOf = (crc: number): Uint8Array => unhex(crc.toString(16).padStart(8, "0"));

export function fresh(...faults: Fault[]) {
  const store = memoryStore(fabricate({ chipNumber, loaderKey }));
  return { store, card: on(store, ...faults) };
}

export function on(store: ReturnType<typeof memoryStore>, ...faults: Fault[]): PersolineCard {
  return makeVirtualCard({ eeprom: store, faults, random: counting(), crypto: nodeCrypto });
}

export const say = (card: PersolineCard, command: string | Uint8Array): string => {
  const answer = card.transmit(typeof command === "string" ? unhex(command) : command);
  return answer === undefined ? "mute" : hex(answer);
};

/** INITIALIZE LOADER with some challenge. */
export const initialize = `8050000010${"A0".repeat(16)}00`;

/** Opens a loader session; the status word of AUTHENTICATE LOADER, or "refused" when the card's proof was wrong. */
export function open(card: PersolineCard, key = loaderKey): { host: LoaderHost; sw: string } {
  const host = new LoaderHost(key, unhex("A0".repeat(16)));
  const answer = card.transmit(host.initialize());
  if (answer === undefined) return { host, sw: "mute" };
  if (answer.length !== 44) return { host, sw: hex(answer) };
  if (!host.accepts(answer)) return { host, sw: "refused" };
  return { host, sw: say(card, host.authenticate()) };
}

/** Completes a card from power-on to ACTIVATE; the first answer that is not 9000. */
export function complete(card: PersolineCard, image: Uint8Array): string {
  const { host, sw } = open(card);
  if (sw !== "9000") return sw;
  for (let at = 0; at < image.length; at += 192) {
    const loaded = say(card, host.loadBlock(0x0280 + at, image.subarray(at, at + 192)));
    if (loaded !== "9000") return loaded;
  }
  const keyed = say(card, host.loadKeys(0x01, keys));
  if (keyed !== "9000") return keyed;
  return say(card, host.activate(0x0280, image.length, bytesOf(crc32(image))));
}

/** The ATR, or "mute". */
export const powered = (card: PersolineCard): string => {
  const atr = card.powerOn();
  return atr === undefined ? "mute" : hex(atr);
};
