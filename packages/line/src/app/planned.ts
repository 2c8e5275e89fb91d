import { encodingMs } from "../devices/encoder/simulated.js";
import { exposureMs } from "../devices/camera/simulated.js";
import { markingMs } from "../devices/marker/simulated.js";
import type { MarkJob } from "../devices/marker/port.js";
import type { PreparedRecord } from "../plan/types.js";
import { capacity, type Capacity, type CapacityAsk } from "../stations/capacity.js";
import { type LineFile, sendsTrays } from "../stations/line-file.js";
import type { FacesDesk } from "./faces.js";
import type { Job } from "./job.js";
import { printingOf } from "./line-pictures.js";
import { laserOf, marksOf } from "./marks.js";
import { hasSealedStripe } from "./payment.js";

interface PlannedAsk {
  readonly job: Job;
  readonly file: LineFile;
  readonly faces: FacesDesk;
  readonly example: PreparedRecord;
}

/** A file knows how long its path takes; dots are reckoned by the usual rates. */
const msOf = (mark: MarkJob): number =>
  mark.kind === "raster" && mark.file !== undefined ? mark.file.ms : markingMs(mark);

/** What the planner has to know of the machines: how long the marks of such a card take, and its pictures. */
export async function capacityAsk({ job, file, faces, example }: PlannedAsk): Promise<CapacityAsk> {
  const unmarked = file.without.includes("visual");
  const machines = { laser: await laserOf(file), printing: printingOf(file) };
  const marks = unmarked ? [] : await marksOf(example, faces, machines);
  // What is struck in another room, on cards that went there by the tray, takes none of a head's time.
  const atHead = ({ kind }: MarkJob): boolean => kind !== "emboss" || !sendsTrays(file);
  return {
    product: job.planned,
    example,
    line: file,
    marksMs:
      marks.filter(atHead).reduce((sum, mark) => sum + msOf(mark), 0) +
      (!unmarked && hasStripe(job, example) ? encodingMs : 0),
    picturesMs: unmarked || example.faces.length === 0 ? 0 : 2 * exposureMs,
  };
}

const hasStripe = (job: Job, { faces }: PreparedRecord): boolean =>
  hasSealedStripe(job) || faces.some(({ own }) => own.some(({ kind }) => kind === "stripe"));

export const plannedCapacity = async (ask: PlannedAsk): Promise<Capacity> => capacity(await capacityAsk(ask));
