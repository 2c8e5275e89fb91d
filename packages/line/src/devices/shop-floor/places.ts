import { isInMachine, type Place, type TrayPlace } from "../transport/port.js";

/** Six digits, so that names sort as numbers do. */
export const six = (number: number): string => String(number).padStart(6, "0");

/** The folder of a place, relative to the shop floor. Bodies lie in it as folders of their own; all slots of an order's output share one. */
export function folderOf(place: Place): string {
  switch (place.at) {
    case "head":
      return `machine/${place.station}.head-${String(place.head)}`;
    case "queue":
      return `machine/${place.station}.slot-${String(place.slot)}`;
    case "tray":
      return `machine/${trayFolder(place)}/${String(place.slot)}`;
    case "good":
      return `good/${place.order}`;
    case "hopper":
    case "reject":
    case "hold":
    case "apart":
      return place.at;
  }
}

/** A tray's folder, in `machine` or, when it is in another room, in `elsewhere`; each of its slots is a folder in it. */
export const trayFolder = ({ station, tray }: TrayPlace): string => `${station}.tray-${String(tray)}`;

/** The tray that a folder stands for; undefined when it is none. */
export function trayIn(folder: string): TrayPlace | undefined {
  const [, station, tray] = /^([a-z0-9-]+)\.tray-(\d+)$/.exec(folder) ?? [];
  return station === undefined ? undefined : { station, tray: Number(tray) };
}

/** A body's name is a number and its label: its turn in the hopper; in the output, the number of its slot. */
export const bodyName = (number: number, label: string): string => `${six(number)}-${label}`;
export const labelIn = (name: string): string => name.slice(7);
export const numberIn = (name: string): number => Number(name.slice(0, 6));

export const inMachine = (place: Place): boolean => isInMachine(place.at);

/** Holds one body at most. */
export const isSingle = (place: Place): boolean => inMachine(place) || place.at === "good";

/** In words, for messages. */
export function nameOf(place: Place): string {
  switch (place.at) {
    case "head":
      return `${place.station}, head ${String(place.head + 1)}`;
    case "queue":
      return `${place.station}, queue place ${String(place.slot + 1)}`;
    case "tray":
      return `${place.station}, tray ${String(place.tray + 1)}, place ${String(place.slot + 1)}`;
    case "good":
      return `output slot ${String(place.slot)} of order ${place.order}`;
    case "apart":
      return "the mailer's reject tray";
    case "hopper":
    case "reject":
    case "hold":
      return `the ${place.at}${place.at === "hopper" ? "" : " bin"}`;
  }
}

/** The place a folder inside `machine/` stands for; undefined when it is none. */
export function machinePlace(folder: string): Place | undefined {
  const [, station, what, number] = /^([a-z0-9-]+)\.(head|slot)-(\d+)$/.exec(folder) ?? [];
  if (station === undefined || number === undefined) return undefined;
  return what === "head"
    ? { at: "head", station, head: Number(number) }
    : { at: "queue", station, slot: Number(number) };
}

/** The number of a head; 0 for whatever is none. */
export const headOf = (place: Place): number => (place.at === "head" ? place.head : 0);
