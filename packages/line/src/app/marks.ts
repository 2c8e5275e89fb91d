/** Marks of a card and the judgement of its pictures, both made in the workers for faces. */
import type { MarkJob } from "../devices/marker/port.js";
import { type FaceRaster, indentedOn } from "../plan/layout/index.js";
import type { PreparedRecord } from "../plan/types.js";
import { summarize } from "../stations/quality/index.js";
import type { JudgeFaces, MakeMarks } from "../stations/station.js";
import type { FacesDesk } from "./faces.js";

/** Dots of the engraver. */
const dpi = 300;

/** The marks of a record in the order they are made: front, back, indent printing, embossing. */
export async function marksOf(prepared: PreparedRecord, desk: FacesDesk): Promise<readonly MarkJob[]> {
  const { faces, emboss } = prepared;
  const rasters = faces.length === 0 ? [] : await desk.do({ task: "render", faces, dpi });
  const indents = faces.flatMap((face): MarkJob[] => {
    const lines = indentedOn(face);
    return lines.length === 0 ? [] : [{ kind: "indent", side: face.side, lines }];
  });
  // Raised characters last: nothing can be printed or pressed over them.
  return [
    ...rasters,
    ...indents,
    ...(emboss.length === 0 ? [] : [{ kind: "emboss", side: "front", lines: emboss } as const]),
  ];
}

export const marksBy =
  (faces: FacesDesk): MakeMarks =>
  (prepared) =>
    marksOf(prepared, faces);

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
