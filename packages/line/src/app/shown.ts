/** What quality control shows of an order's cards and what it does not: for plan and report, nothing of a person. */
import { chipKeepOut, describe } from "../plan/layout/index.js";
import type { AnyPlanned, PreparedRecord } from "../plan/types.js";
import { scopeOf } from "../stations/quality/cross-check.js";
import type { LineFile } from "../stations/line-file.js";
import type { Drawing } from "./job.js";
import { chipSideOf } from "./marks.js";
import { hasSealedStripe } from "./payment.js";

export interface Shown {
  /** Which parts of a card are held against one another, and in what. */
  readonly compared: readonly string[];
  /** What no proof and no comparison shows. */
  readonly unshown: readonly string[];
}

/** What looks at the finished cards, and where the contacts are. */
export interface Looks {
  /** A camera stands at quality control. */
  readonly camera: boolean;
  /** An encoder reads the stripe there once more. */
  readonly encoder: boolean;
  readonly chip: "front" | "back" | "none";
}

export function looksOf({ stations }: Pick<LineFile, "stations">, drawing: Drawing | undefined): Looks {
  const judging = stations.filter(({ does }) => does.includes("quality"));
  return {
    camera: judging.some(({ camera }) => camera !== undefined),
    encoder: judging.some(({ encoder }) => encoder !== undefined),
    chip: chipSideOf(drawing),
  };
}

type Unseen = Pick<PreparedRecord, "emboss"> & {
  readonly faces: readonly Pick<PreparedRecord["faces"][number], "side" | "own">[];
};

/** What no camera looks at, and no machine reads again, of a finished card: a sentence each, nothing of a person. `sealed`: its stripe's contents are. */
export function unseen(
  { faces, emboss }: Unseen,
  { camera, encoder, chip }: Looks,
  sealed = false,
): readonly string[] {
  const elements = faces.flatMap(({ own }) => own);
  const struck = [
    ...(emboss.length === 0 ? [] : [["raised characters", "embosser"] as const]),
    ...(elements.some(({ layer }) => layer === "indent")
      ? [["pressed characters", "indent printer"] as const]
      : []),
  ];
  const looks = camera && faces.length > 0;
  const blind = !camera ? "this line's quality control has none" : "nothing is laid out for their sides";
  const missing = (["front", "back"] as const).filter((side) => !faces.some((face) => face.side === side));
  return [
    ...(!looks && faces.length + emboss.length > 0 ? [`no camera looks at these cards: ${blind}`] : []),
    ...(looks ? missing.map((side) => `no camera looks at: the ${side}, for which nothing is laid out`) : []),
    ...(looks && chip !== "none" && !missing.includes(chip)
      ? [`no camera looks at: the contacts and the ground around them (${chip}, ${describe(chipKeepOut)})`]
      : []),
    ...struck.map(
      ([what, machine]) =>
        `${looks ? "no camera judges: " : ""}${what}${looks ? ";" : ":"} what the ${machine} itself says of them is compared where it says so`,
    ),
    ...((sealed || elements.some(({ kind }) => kind === "stripe")) && !encoder
      ? [
          "the magnetic stripe is read where it was written and not again at quality control: a camera sees its surface, not its recording",
        ]
      : []),
  ];
}

/** `example`: any of the order's records; all of them have the same places. */
export function shownOf(planned: AnyPlanned, example: PreparedRecord, looks: Looks): Shown {
  const { told, faces, emboss, unproved = [] } = example;
  const sealed = hasSealedStripe({ planned });
  const tracks = faces.flatMap(({ own }) => own.flatMap((one) => (one.kind === "stripe" ? one.tracks : [])));
  const { compared, alone } = scopeOf({
    faces,
    emboss,
    tracks,
    sealed,
    ...(told === undefined ? {} : { told }),
  });
  return {
    compared,
    unshown: [
      ...unproved.map((one) => `not proved: ${one}`),
      ...alone.map((one) => `not cross-checked: ${one}`),
      ...unseen(example, looks, sealed),
    ],
  };
}
