/** Marks of a card and the judgement of its pictures, both made in the workers for faces. */
import type { MarkJob } from "../devices/marker/port.js";
import type { FaceRaster } from "../plan/layout/index.js";
import type { PreparedRecord } from "../plan/types.js";
import { summarize } from "../stations/quality/index.js";
import type { JudgeFaces, MakeMarks } from "../stations/station.js";
import type { FacesDesk } from "./faces.js";
import type { Printing } from "./line-pictures.js";

/** Dots of the engraver. */
const dpi = 300;

/** The marks of a record in the order they are made: print, engraving front and back, embossing. Without `printing` there is no printer. */
export async function marksOf(
  prepared: PreparedRecord,
  desk: FacesDesk,
  printing?: Printing,
): Promise<readonly MarkJob[]> {
  const { faces, emboss } = prepared;
  const rasters = faces.length === 0 ? [] : await desk.do({ task: "render", faces, dpi });
  const sides =
    printing === undefined || faces.length === 0 ? [] : await desk.do({ task: "print", faces, ...printing });
  const [first] = sides;
  return [
    ...(first === undefined ? [] : [{ kind: "colour" as const, side: first.side, sides }]),
    ...rasters,
    ...(emboss.length === 0 ? [] : [{ kind: "emboss" as const, side: "front" as const, lines: emboss }]),
  ];
}

export const marksBy =
  (faces: FacesDesk, printing?: Printing): MakeMarks =>
  (prepared) =>
    marksOf(prepared, faces, printing);

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
