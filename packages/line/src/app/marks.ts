import type { MarkJob } from "../devices/marker/port.js";
import type { PreparedRecord } from "../plan/types.js";
import type { FacesDesk } from "./faces.js";

/** Dots of the engraver. */
const dpi = 300;

/** The marks of a record in the order they are made: front, back, embossing. */
export async function marksOf(prepared: PreparedRecord, desk: FacesDesk): Promise<readonly MarkJob[]> {
  const { faces, emboss } = prepared;
  const rasters = faces.length === 0 ? [] : await desk.do({ task: "render", faces, dpi });
  return emboss.length === 0 ? rasters : [...rasters, { kind: "emboss", side: "front", lines: emboss }];
}
