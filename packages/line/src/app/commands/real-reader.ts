/** The reader that a command for one card works at: one of PC/SC, or a port where the card connects. */
import { pcscReader } from "../../devices/reader/pcsc/reader.js";
import { vpcdReader } from "../../devices/reader/vpcd/reader.js";
import { realWorld } from "../../stations/world.js";
import { pcscSocket } from "../config.js";
import type { RealReader } from "../line-readers.js";
import { WrongUsage } from "../problem.js";

export interface ReaderWords {
  readonly reader?: string;
  readonly vpcd?: number;
}

/** Longer than a card that is there needs to connect. */
const quietMs = 2_000;
const patienceMs = 30_000;

/** Throws WrongUsage unless exactly one of the two is named. */
export function realReader({ reader: name, vpcd: port }: ReaderWords): RealReader {
  if ((name === undefined) === (port === undefined)) {
    throw new WrongUsage("name either a PC/SC reader with --reader or a port with --vpcd");
  }
  const world = realWorld();
  if (port === undefined) {
    const binding = { pcsc: name ?? "" };
    return pcscReader({ name: binding.pcsc, binding, world, socket: pcscSocket(), patienceMs: 0 });
  }
  const reader = vpcdReader({ name: `port ${String(port)}`, port, world, patienceMs });
  return {
    ...reader,
    insert: async () => {
      if (!(await reader.awaitCard("present", quietMs))) {
        process.stderr.write(
          `waiting for a card at 127.0.0.1:${String(port)} (${String(patienceMs / 1000)} s)\n`,
        );
      }
      return reader.insert();
    },
  };
}
