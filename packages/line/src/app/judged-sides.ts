/** Sides that did not pass, as they were judged: kept at once, and once more with what they say as soon as that is read. */
import type { Serial } from "@persoline/card/program";
import type { Face } from "../plan/types.js";
import type { ReadingDesk } from "./reading-desk.js";
import type { ReadingTask } from "./reading-protocol.js";
import { shownRejects } from "./reports.js";

/** How long the end of a run waits for what is still to be read. */
const patience = 30_000;

export interface JudgedSides {
  /** Resolves when the picture is kept as it is; reading it holds nobody up. */
  keep(
    serial: Serial,
    side: Face["side"],
    judged: { readonly overlay: Uint8Array; readonly task?: ReadingTask },
  ): Promise<void>;
  /** What was to be read is read and kept, or it is given up. */
  settled(): Promise<void>;
  /** Nothing is kept from here on: who closes may wipe the key that pictures are sealed under. */
  close(): Promise<void>;
}

/** `seal` keeps a JPEG under the order's data key. As many sides are read as a report shows. */
export function judgedSides(
  desk: ReadingDesk,
  seal: (serial: Serial, side: Face["side"], jpeg: Uint8Array) => Promise<void>,
  ms = patience,
): JudgedSides {
  /** The newest judgement of each side: what an older one of it said comes too late. */
  const newest = new Map<string, object>();
  const reading = new Set<Promise<void>>();
  let writes: Promise<void> = Promise.resolve();
  let asked = 0;
  let closed = false;

  /** One after another: a side is never written twice at a time. */
  const write = (work: () => Promise<void>): Promise<void> => {
    const done = writes.then(work);
    writes = done.catch(() => undefined);
    return done;
  };
  const read = async (serial: Serial, side: Face["side"], task: ReadingTask): Promise<void> => {
    const [place, own] = [`${serial}.${side}`, {}];
    newest.set(place, own);
    const answer = await desk.read(task);
    if (answer === undefined || !("overlay" in answer)) return;
    await write(async () => {
      if (!closed && newest.get(place) === own) await seal(serial, side, answer.overlay);
    });
  };
  const settled = async (): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([Promise.all(reading), enough]);
    clearTimeout(timer);
  };
  return {
    keep: async (serial, side, { overlay, task }) => {
      newest.delete(`${serial}.${side}`);
      await write(() => seal(serial, side, overlay));
      if (task === undefined || asked >= shownRejects) return;
      asked++;
      // The picture is kept already: that it could not be written once more is no reason to stop a line.
      const own = read(serial, side, task).catch(() => undefined);
      reading.add(own);
      void own.then(() => reading.delete(own));
    },
    settled,
    close: async () => {
      closed = true;
      await desk.close();
      await writes;
    },
  };
}
