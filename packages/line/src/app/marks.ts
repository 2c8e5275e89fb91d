/** Marks of a card and the judgement of its pictures, both made in the workers for faces. */
import type { MarkJob } from "../devices/marker/port.js";
import { type FaceRaster, indentedOn } from "../plan/layout/index.js";
import type { LaserFormat, LaserSettings } from "../plan/laser/index.js";
import type { PreparedRecord } from "../plan/types.js";
import type { LineFile } from "../stations/line-file.js";
import { summarize } from "../stations/quality/index.js";
import type { JudgeFaces, MakeMarks } from "../stations/station.js";
import type { FacesDesk } from "./faces.js";
import { readLaser } from "./laser-desk.js";

/** Dots of the engraver. */
const dpi = 300;

/** For engravers that take files: with what settings, and which files. */
export interface Lasered {
  readonly settings: LaserSettings;
  readonly format: LaserFormat;
}

/** The laser of a line whose engraver takes files; undefined where it is simulated. Throws DataProblem. */
export async function laserOf(file: LineFile): Promise<Lasered | undefined> {
  for (const { engraver } of file.stations)
    if (engraver !== undefined && engraver !== "simulated")
      return { settings: await readLaser(engraver.settings), format: engraver.format };
  return undefined;
}

/** The marks of a record in the order they are made: front, back, indent printing, embossing. */
export async function marksOf(
  prepared: PreparedRecord,
  desk: FacesDesk,
  laser: Lasered | undefined,
): Promise<readonly MarkJob[]> {
  const { faces, emboss } = prepared;
  // What the card is to look like, also for the camera; a laser's curve makes it come out so.
  const rasters = faces.length === 0 ? [] : await desk.do({ task: "render", faces, dpi });
  const files =
    laser === undefined || faces.length === 0 ? [] : await desk.do({ task: "laser", faces, ...laser });
  const jobs = rasters.map((raster, at): MarkJob => {
    const file = files[at];
    if (file === undefined) return raster;
    const { format, extension, bytes, figures } = file;
    return { ...raster, file: { format, extension, bytes, ms: figures.ms } };
  });
  const indents = faces.flatMap((face): MarkJob[] => {
    const lines = indentedOn(face);
    return lines.length === 0 ? [] : [{ kind: "indent", side: face.side, lines }];
  });
  // Raised characters last: nothing can be printed or pressed over them.
  return [
    ...jobs,
    ...indents,
    ...(emboss.length === 0 ? [] : [{ kind: "emboss", side: "front", lines: emboss } as const]),
  ];
}

export const marksBy =
  (faces: FacesDesk, laser: Lasered | undefined): MakeMarks =>
  (prepared) =>
    marksOf(prepared, faces, laser);

export const judgedBy =
  (faces: FacesDesk): JudgeFaces =>
  async ({ prepared, marks, pictures }) => {
    const rasters = marks.filter((mark): mark is FaceRaster => mark.kind === "raster");
    const pairs = prepared.faces.flatMap((face) => {
      const raster = rasters.find(({ side }) => side === face.side);
      return raster === undefined ? [] : [{ picture: pictures[face.side], face, raster }];
    });
    const verdicts = await faces.do({ task: "judge", pairs });
    return summarize(
      prepared.faces.map((face) => ({
        face,
        verdict: verdicts[pairs.findIndex((pair) => pair.face === face)],
      })),
    );
  };
