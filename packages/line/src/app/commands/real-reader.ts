/** The reader that a command for one card works at: one of PC/SC, or a port where the card connects. */
import { pcscReader } from "../../devices/reader/pcsc/reader.js";
import { vpcdReader } from "../../devices/reader/vpcd/reader.js";
import { realWorld } from "../../stations/world.js";
import { warn } from "../answer.js";
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

/** A card that is not there yet is waited for. Throws WrongUsage unless exactly one of the two is named. */
export function realReader({ reader: name, vpcd: port }: ReaderWords): RealReader {
  if ((name === undefined) === (port === undefined)) {
    throw new WrongUsage("name either a PC/SC reader with --reader or a port with --vpcd");
  }
  const world = realWorld();
  const reader =
    port === undefined
      ? pcscReader({
          name: name ?? "",
          binding: { pcsc: name ?? "" },
          world,
          socket: pcscSocket(),
          patienceMs: 0,
        })
      : vpcdReader({ name: `port ${String(port)}`, port, world, patienceMs });
  const where = port === undefined ? (name ?? "") : `127.0.0.1:${String(port)}`;
  return {
    ...reader,
    insert: async () => {
      if (!(await reader.awaitCard("present", quietMs))) {
        warn(`waiting for a card at ${where} (${String(patienceMs / 1000)} s)`);
        // Whoever waits in vain is told so by the reset; at a port that one waits by itself.
        if (port === undefined) await reader.awaitCard("present", patienceMs);
      }
      return reader.insert();
    },
  };
}
