/** One side of a record as the judge wants it, and pictures from outside. */
import { readFile } from "node:fs/promises";
import { type Burnt, type LaserSettings, outlinedFace, seenFace } from "../plan/laser/index.js";
import { renderFace, renderGround } from "../plan/layout/index.js";
import type { Face } from "../plan/types.js";
import {
  anyExposure,
  decodePicture,
  type GoldenCard,
  inspectFace,
  type JudgeOptions,
  type QualityLimits,
} from "../stations/quality/index.js";
import type { LayoutDesk } from "./layout-desk.js";
import { recordOf } from "./layout-desk.js";
import { chipSideOf } from "./marks.js";
import { Refusal } from "./problem.js";

type Seen = Awaited<ReturnType<typeof decodePicture>>;

/** Throws Refusal. */
export async function readPicture(file: string): Promise<Seen> {
  const bytes = await readFile(file).catch(() => {
    throw new Refusal(`${file} cannot be read: name a picture file`);
  });
  return decodePicture(bytes).catch(() => {
    throw new Refusal(`${file} is no whole picture: JPEG, PNG, TIFF, WebP and PGM are read`);
  });
}

export interface ExpectedSide {
  readonly face: Face;
  /** As the machine may have left it: the likeliest first. Those of a named laser, or of any. */
  readonly dots: readonly [Burnt, ...Burnt[]];
  readonly options: Omit<JudgeOptions, "limits">;
}

/**
 * A picture does not tell what marked the card. A laser's program is given outlines or dots; a machine that nobody named has dots of 300 or of
 * 600 dpi, or follows outlines.
 */
const leftBy = async (face: Face, laser: LaserSettings | undefined): Promise<ExpectedSide["dots"]> =>
  laser === undefined
    ? [await renderFace(face, 300), await renderFace(face, 600), await outlinedFace(face)]
    : [await seenFace(face, laser, "gcode"), await seenFace(face, laser, "bmp")];

/** What must be on one side of a record's card. `laser`: that marked it. Throws Refusal when there is no such record or side. */
export async function expectedSide(
  desk: LayoutDesk,
  { record, side, cardNumber }: { record: number; side: Face["side"]; cardNumber?: string | undefined },
  laser?: LaserSettings,
): Promise<ExpectedSide> {
  const { drawing } = desk;
  const { values, photos } = await recordOf(desk, record);
  const { faces, emboss } = drawing.draw(
    cardNumber === undefined ? values : { ...values, cardNumber },
    photos,
  );
  const face = faces.find((one) => one.side === side);
  const other = faces.find((one) => one.side !== side);
  if (face === undefined) throw new Refusal(`${desk.name} has no ${side}`);
  const ground = await renderGround(face, 300);
  const otherGround = other === undefined ? undefined : await renderGround(other, 300);
  return {
    face,
    dots: await leftBy(face, laser),
    options: {
      chip: chipSideOf(drawing),
      ...(ground === undefined ? {} : { ground: ground.common }),
      ...(ground?.own === undefined ? {} : { printed: ground.own }),
      ...(otherGround === undefined ? {} : { otherGround: otherGround.common }),
      ...(emboss.length === 0 ? {} : { raised: { lines: emboss, must: true } }),
    },
  };
}

type Inspected = Awaited<ReturnType<typeof inspectFace>>;

const likeness = ({ verdict: { measures } }: Inspected): number =>
  measures.reduce((sum, { correlation }) => sum + correlation, 0) / Math.max(1, measures.length);

/** Edges lie where the machine's dots end: those count to which the picture's fields are more alike, whatever the verdict by them. */
export async function inspectUnknown(
  seen: Seen,
  { face, dots, options }: ExpectedSide,
  limits: QualityLimits,
): Promise<Inspected & { readonly dots: Burnt }> {
  const picture = { ...seen, side: face.side, frame: 1, takenAt: 0 };
  const by = async (sent: Burnt) => ({
    ...(await inspectFace(picture, face, sent, { ...options, limits })),
    dots: sent,
  });
  const [first, ...others] = dots;
  let best = await by(first);
  for (const sent of others) {
    const one = await by(sent);
    if (likeness(one) > likeness(best)) best = one;
  }
  return best;
}

/** A golden card whose machine is not known yet. */
export type NamedCard = Omit<GoldenCard, "dots"> & Pick<ExpectedSide, "dots">;

/** Golden cards of one side in the dots of the machine that marked them: of all possible ones those that all together are more alike. */
export async function inTheirDots(cards: readonly NamedCard[]): Promise<readonly GoldenCard[]> {
  let best: { readonly cards: readonly GoldenCard[]; readonly alike: number } | undefined;
  for (let at = 0; at < (cards[0]?.dots.length ?? 0); at++) {
    let alike = 0;
    const some = cards.map((card): GoldenCard => ({ ...card, dots: card.dots[at] ?? card.dots[0] }));
    for (const { picture, face, dots, options } of some)
      alike += likeness(await inspectFace(picture, face, dots, { ...options, limits: anyExposure }));
    if (best === undefined || alike > best.alike) best = { cards: some, alike };
  }
  return best?.cards ?? [];
}
