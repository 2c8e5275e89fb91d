/** The readers of a line as its file names them, and how virtual bodies come under the contacts of real ones. */
import type { World } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import { DeviceFault } from "../devices/problem.js";
import { withDeadlines } from "../devices/reader/deadline.js";
import type { Reader } from "../devices/reader/port.js";
import { pcscReader } from "../devices/reader/pcsc/reader.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import { CardSlot, parseAddress } from "../devices/reader/vpcd/card-side.js";
import { vpcdReader } from "../devices/reader/vpcd/reader.js";
import type { ShopFloor } from "../devices/shop-floor/floor.js";
import { nameOf } from "../devices/shop-floor/places.js";
import type { Place } from "../devices/transport/port.js";
import type { LineFile, StationFile } from "../stations/line-file.js";
import type { ReaderFile } from "../stations/line-readers.js";
import { realWorld } from "../stations/world.js";
import { pcscSocket, usbDevices } from "./config.js";

/** What a desk and a shop floor need to know of a real reader, beside what stations do. */
export interface RealReader extends Reader {
  /** Starts what the first card would wait for. Throws DeviceFault when no card could ever come to this reader as things are. */
  ready(): Promise<void>;
  awaitCard(card: "present" | "absent", ms: number): Promise<boolean>;
  close(): void;
}

export interface LineReaders {
  at(station: StationFile, number: number): Reader;
  /** Of a desk's only head. Throws DeviceFault when it has none. */
  only(): RealReader;
  /** Before the first card comes. What is wrong is told by the first that needs the reader. */
  begin(): void;
  close(): void;
}

export function lineReaders(from: {
  readonly file: LineFile;
  readonly floor: Pick<ShopFloor, "cardAt">;
  readonly world: World;
  /** Lifts and lowers the contacts of a desk's reader. */
  readonly reseat?: () => Promise<void>;
  /** Asks for the card in work that was taken out of a desk's reader. Throws DeviceFault when it does not come back. */
  readonly putBack?: () => Promise<void>;
}): LineReaders {
  const { file, floor, world } = from;
  const real: RealReader[] = [];
  const timed = file.mode === "timed";
  return {
    at: (station, number) => {
      const name = `${station.name} reader ${String(number + 1)}`;
      const place: Place = { at: "head", station: station.name, head: number };
      const bound = station.reader === "simulated" ? undefined : station.reader[number];
      if (bound === undefined) {
        const reader = simulatedReader({
          name,
          place,
          floor,
          world,
          timing: file.mode === "ideal" ? "ideal" : "timed",
          ...(file.contacts === undefined ? {} : { contacts: { protocol: file.contacts === "t0" ? 0 : 1 } }),
        });
        // On a clock of its own nobody can hang: simulated readers end a card's time by that clock.
        if (file.mode === "virtual") return reader;
        return withDeadlines(reader, file.speed < 1 ? 1 / file.speed : 1);
      }
      const own = realReader(bound, name, world, from.reseat);
      const reader =
        bound.presents === undefined
          ? own
          : presented(own, bound.presents, { place, timed, cardAt: () => floor.cardAt(place) });
      real.push(reader);
      return from.putBack === undefined || bound.presents !== undefined
        ? reader
        : backAgain(reader, from.putBack);
    },
    only: () => {
      const [reader] = real;
      if (reader === undefined) throw new DeviceFault("desk", "refused", "a desk needs a real reader");
      return reader;
    },
    begin: () => {
      for (const reader of real) reader.ready().catch(() => undefined);
    },
    close: () => {
      for (const reader of real) reader.close();
    },
  };
}

function realReader(
  bound: ReaderFile,
  name: string,
  world: World,
  reseat: (() => Promise<void>) | undefined,
): RealReader {
  const answerMs = bound.answerSeconds === undefined ? undefined : bound.answerSeconds * 1000;
  if ("vpcd" in bound)
    return vpcdReader({ name, port: bound.vpcd, host: bound.host, world, answerMs, reseat });
  return pcscReader({
    name,
    binding: bound,
    world,
    answerMs,
    protocols: bound.protocol === undefined ? undefined : [bound.protocol],
    socket: pcscSocket(),
    usbDevices: usbDevices(),
    reseat,
  });
}

/** A reader whose card a person may take out at any time: one that is not there at a reset was taken out, and is asked for. */
function backAgain(reader: RealReader, putBack: () => Promise<void>): RealReader {
  return {
    ...reader,
    insert: async () => {
      for (;;) {
        try {
          return await reader.insert();
        } catch (thrown) {
          if (!(thrown instanceof DeviceFault) || (await reader.awaitCard("present", 0))) throw thrown;
          await putBack();
        }
      }
    },
  };
}

/** pcscd looks every 400 ms, and is kept waiting by other programs now and then. */
const liftMs = 5_000;

/** The virtual card that lies at the head is put under the contacts for each visit. */
function presented(
  reader: RealReader,
  address: string,
  at: {
    readonly place: Place;
    readonly timed: boolean;
    readonly cardAt: () => VirtualCard | undefined;
  },
): RealReader {
  const target = parseAddress(address);
  if (target === undefined) {
    throw new DeviceFault(reader.name, "refused", `presents: ${address} is no HOST:PORT`);
  }
  const slot = new CardSlot({ address: target, timed: at.timed });
  /** The last reset went unanswered. */
  let mute = false;
  // pcscd gives a card that was mute no power again, nor whoever takes its place, until it has seen the contacts empty.
  const lift = async (): Promise<void> => {
    slot.remove();
    mute = false;
    if (!(await reader.awaitCard("absent", liftMs))) {
      throw new DeviceFault(
        reader.name,
        "refused",
        `the contacts were lifted, and the reader still sees a card at ${address}: does another card server hold that slot?`,
      );
    }
  };
  return {
    ...reader,
    insert: async () => {
      const card = at.cardAt();
      if (card === undefined) {
        throw new DeviceFault(reader.name, "refused", `no card lies at ${nameOf(at.place)}`);
      }
      slot.insert(card);
      if (!slot.linked && !(await reader.awaitCard("present", 5_000))) {
        throw new DeviceFault(
          reader.name,
          "refused",
          `nobody listens at ${address}, where the card is presented`,
        );
      }
      const reset = await reader.insert();
      mute = reset === "mute";
      return reset;
    },
    reseat: async () => {
      await reader.reseat();
      await lift();
    },
    remove: async () => {
      await reader.remove();
      if (mute) await lift();
      else slot.release();
    },
    close: () => {
      slot.remove();
      reader.close();
    },
  };
}

/** The reader of a station that stands alone. */
export const pcscStationReader = (
  { pcsc, serial }: { readonly pcsc: string; readonly serial?: string | undefined },
  name: string,
): RealReader =>
  realReader({ pcsc, ...(serial === undefined ? {} : { serial }) }, name, realWorld({ speed: 1 }), undefined);
