/** Marks of a card and the judgement of its pictures, both made in the workers for faces. */
import type { MarkArea, MarkJob, StruckLine } from "../devices/marker/port.js";
import { type FaceRaster, indentedOn } from "../plan/layout/index.js";
import type { LaserFormat, LaserSettings } from "../plan/laser/index.js";
import type { EmbossLine, Face, PreparedRecord } from "../plan/types.js";
import type { Preprint } from "../devices/shop-floor/wear.js";
import type { LineFile } from "../stations/line-file.js";
import { type Drift, type DriftWatch, summarize } from "../stations/quality/index.js";
import type { JudgeFaces, MakeMarks } from "../stations/station.js";
import type { FacesDesk } from "./faces.js";
import type { Drawing } from "./job.js";
import type { JudgedSides } from "./judged-sides.js";
import { readLaser } from "./laser-desk.js";
import type { Printing } from "./line-pictures.js";
import type { CameraLimits } from "./quality-profiles.js";

/** Dots of the simulated engraver. */
const simulatedDpi = 300;

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

/** What a line's machines need beside the picture; without `printing` there is no printer. */
export interface MarkedWith {
  readonly laser: Lasered | undefined;
  readonly printing: Printing | undefined;
}

/** The marks of a record in the order they are made: print, engraving front and back, indent printing, embossing. */
export async function marksOf(
  prepared: PreparedRecord,
  desk: FacesDesk,
  { laser, printing }: MarkedWith,
): Promise<readonly MarkJob[]> {
  const { faces, emboss } = prepared;
  // What the card is to look like, also for the camera, in the machine's own dots: the same photo in other dots is another picture.
  const dpi = laser?.settings.dpi ?? simulatedDpi;
  const rasters = faces.length === 0 ? [] : await desk.do({ task: "render", faces, dpi });
  const sides =
    printing === undefined || faces.length === 0 ? [] : await desk.do({ task: "print", faces, ...printing });
  const printed = sides.map((side) => ({ ...side, areas: areasOf(faces, side.side) }));
  const [first] = printed;
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
    ...(first === undefined ? [] : [{ kind: "colour", side: first.side, sides: printed } as const]),
    ...jobs,
    ...indents,
    ...(emboss.length === 0 ? [] : [{ kind: "emboss", side: "front", lines: emboss.map(bare) } as const]),
  ];
}

/** A line as the wheels need it; whose words it holds is nobody's matter but the cross-check's. */
const bare = ({ text, font, x, yFromBottom, pitch }: EmbossLine): StruckLine => ({
  text,
  font,
  x,
  yFromBottom,
  pitch,
});

/** What is printed where on a side. */
const areasOf = (faces: readonly Face[], side: Face["side"]): readonly MarkArea[] =>
  faces
    .filter((face) => face.side === side)
    .flatMap(({ fields }) => fields)
    .filter(({ layer }) => layer === "colour")
    .map(({ name, kind, box, glyphs }) => ({ name, kind, box, ...(glyphs === undefined ? {} : { glyphs }) }));

export const marksBy =
  (faces: FacesDesk, machines: MarkedWith): MakeMarks =>
  (prepared) =>
    marksOf(prepared, faces, machines);

/** The side of a product's cards that carries the contacts. */
export const chipSideOf = (drawing: Drawing | undefined): "front" | "back" | "none" =>
  drawing?.sides.find(({ template }) => template.chip)?.template.side ?? "none";

/** How the blanks of a product come from their maker; nothing where they are bare. `faces`: of any record, for what its cards share. */
export async function preprintOf(prepared: PreparedRecord, desk: FacesDesk): Promise<Preprint> {
  const { faces } = prepared;
  if (faces.length === 0) return {};
  const grounds = await desk.do({ task: "preprint", faces });
  return Object.fromEntries(
    faces.flatMap(({ side }, at) => (grounds[at] === undefined ? [] : [[side, grounds[at]]])),
  );
}

/** Who sees what an embosser raised. */
export interface ReliefSeen {
  /** A camera looks at the very plastic. */
  readonly camera: boolean;
  /** The machine reads its own record back. */
  readonly machine: boolean;
}

/**
 * A simulated camera looks at simulated plastic, which no real embosser strikes; a real one looks at whatever lies there. Of the embossers
 * the simulated one alone reads back what it struck, unless it is worn.
 */
export function reliefSeen({ stations }: Pick<LineFile, "stations">): ReliefSeen {
  const cameras = stations.flatMap(({ camera }) => (camera === undefined ? [] : [camera]));
  const embossers = stations.filter(({ embosser }) => embosser !== undefined);
  const simulated = embossers.every(({ embosser }) => embosser === "simulated");
  return {
    camera: cameras.length > 0 && cameras.every((camera) => camera !== "simulated" || simulated),
    machine: simulated && embossers.every(({ spoils }) => spoils === undefined),
  };
}

export interface JudgedWith {
  readonly faces: FacesDesk;
  readonly chip: ReturnType<typeof chipSideOf>;
  /** Of a line whose engraver takes files. */
  readonly laser?: Lasered | undefined;
  /** Whether a camera looks at the wheels' work: see `reliefSeen`. */
  readonly relief: ReliefSeen;
  /** By the names of their cameras; pictures of the others are judged by the built-in limits. */
  readonly profiles: ReadonlyMap<string, CameraLimits>;
  /** Keeps a side that did not pass, for the report. It may have it read, but gives nothing back: nothing that was read comes to the verdict. */
  readonly keepJudged: JudgedSides["keep"];
  /** With what the order's cards showed before this run. */
  readonly watch: DriftWatch;
  /** A field drifts towards its limit. */
  readonly onDrift?: (drift: Drift) => void;
}

export function judgedBy({
  faces,
  chip,
  laser,
  relief,
  profiles,
  keepJudged,
  watch,
  onDrift,
}: JudgedWith): JudgeFaces {
  return async ({ prepared, marks, pictures, camera, serial }) => {
    const rasters = marks.filter((mark): mark is FaceRaster => mark.kind === "raster");
    const pairs = prepared.faces.flatMap((face) => {
      const raster = rasters.find(({ side }) => side === face.side);
      return raster === undefined ? [] : [{ picture: pictures[face.side], face, raster }];
    });
    const limits = profiles.get(camera) ?? {};
    const judged = await faces.do({
      task: "judge",
      chip,
      limits,
      pairs,
      ...(laser === undefined ? {} : { laser }),
      ...(prepared.emboss.length === 0 ? {} : { raised: { lines: prepared.emboss, must: relief.camera } }),
    });
    for (const [at, { verdict, overlay, straight }] of judged.entries()) {
      const pair = pairs[at];
      if (overlay === undefined || pair === undefined) continue;
      const { face, raster } = pair;
      const task =
        straight === undefined
          ? {}
          : { task: { face, straight, verdict, draw: raster, raised: prepared.emboss } };
      await keepJudged(serial, face.side, { overlay, ...task });
    }
    const summary = summarize(
      prepared.faces.map((face) => ({
        face,
        verdict: judged[pairs.findIndex((pair) => pair.face === face)]?.verdict,
        limits: limits[face.side],
      })),
      camera,
    );
    for (const finding of summary.findings) {
      const drift = watch.see(finding);
      if (drift !== undefined) onDrift?.(drift);
    }
    return summary;
  };
}
