/** What no camera looks at, and no machine reads again, of an order's finished cards: a sentence each, nothing of a person. */
import { chipKeepOut, describe } from "../plan/layout/index.js";
import type { PreparedRecord } from "../plan/types.js";
import type { LineFile } from "../stations/line-file.js";
import type { Drawing } from "./job.js";
import { chipSideOf, type ReliefSeen, reliefSeen } from "./marks.js";

/** What looks at the finished cards, and where the contacts are. */
export interface Looks {
  /** A camera stands at quality control. */
  readonly camera: boolean;
  /** An encoder reads the stripe there once more. */
  readonly encoder: boolean;
  readonly chip: "front" | "back" | "none";
  readonly relief: ReliefSeen;
}

export function looksOf(line: Pick<LineFile, "stations">, drawing: Drawing | undefined): Looks {
  const judging = line.stations.filter(({ does }) => does.includes("quality"));
  return {
    camera: judging.some(({ camera }) => camera !== undefined),
    encoder: judging.some(({ encoder }) => encoder !== undefined),
    chip: chipSideOf(drawing),
    relief: reliefSeen(line),
  };
}

type Card = Pick<PreparedRecord, "emboss"> & {
  readonly faces: readonly Pick<PreparedRecord["faces"][number], "side" | "own">[];
};

/** No picture is taken where no side is drawn, whatever cameras there are. */
const isLookedAt = ({ faces }: Card, { camera }: Looks): boolean => camera && faces.length > 0;

function ofSides(card: Card, looks: Looks): string[] {
  if (card.faces.length + card.emboss.length === 0) return [];
  if (!looks.camera) return ["no camera looks at these cards: this line's quality control has none"];
  if (!isLookedAt(card, looks))
    return ["no camera looks at these cards: nothing is laid out for their sides"];
  return (["front", "back"] as const)
    .filter((side) => !card.faces.some((face) => face.side === side))
    .map((side) => `no camera looks at: the ${side}, for which nothing is laid out`);
}

const ofContacts = (card: Card, looks: Looks): string[] =>
  isLookedAt(card, looks) && card.faces.some(({ side }) => side === looks.chip)
    ? [
        `no camera looks at: the contacts and the ground around them (${looks.chip}, ${describe(chipKeepOut)})`,
      ]
    : [];

/** Somebody besides the embosser itself saw what it struck. */
export const seesRelief = (card: Card, looks: Looks): boolean =>
  looks.relief.machine || (looks.relief.camera && isLookedAt(card, looks));

const namesOf = (lines: readonly { readonly field?: string }[]): string =>
  lines.map(({ field }, at) => field ?? `line ${String(at + 1)}`).join(", ");

function ofStruck(card: Card, looks: Looks): string[] {
  const { faces, emboss } = card;
  const pressed = faces.flatMap(({ own }) =>
    own.filter(({ kind, layer }) => kind === "line" && layer === "indent"),
  );
  return [
    ...(emboss.length === 0 || seesRelief(card, looks)
      ? []
      : [
          `no camera of this line looks at: raised characters (${namesOf(emboss)}); its embosser was told the lines and confirmed the card`,
        ]),
    ...(pressed.length === 0
      ? []
      : [
          `no camera judges: characters pressed in (${namesOf(pressed)}); what the indent printer itself says of them is compared where it says so`,
        ]),
  ];
}

function ofStripe({ faces }: Card, { encoder }: Looks, sealed: boolean): string[] {
  const striped = sealed || faces.some(({ own }) => own.some(({ kind }) => kind === "stripe"));
  return striped && !encoder
    ? [
        "the magnetic stripe is read where it was written and not again at quality control: a camera sees its surface, not its recording",
      ]
    : [];
}

/** `sealed`: the card has a stripe whose contents are sealed for its encoder. */
export const unseen = (card: Card, looks: Looks, sealed = false): readonly string[] => [
  ...ofSides(card, looks),
  ...ofContacts(card, looks),
  ...ofStruck(card, looks),
  ...ofStripe(card, looks, sealed),
];
