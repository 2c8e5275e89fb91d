/** One side of a record as the judge wants it, and pictures from outside. */
import { readFile } from "node:fs/promises";
import { type Burnt, type LaserSettings, seenFace } from "../plan/laser/index.js";
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
  /** Those of the named laser, or at 300 dpi. */
  readonly dots: Burnt;
  /** Whether they are those of a named laser. */
  readonly exact: boolean;
  readonly options: Omit<JudgeOptions, "limits">;
}

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
  const dots = laser === undefined ? await renderFace(face, 300) : await seenFace(face, laser);
  const ground = await renderGround(face, 300);
  const otherGround = other === undefined ? undefined : await renderGround(other, 300);
  return {
    face,
    dots,
    exact: laser !== undefined,
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

/**
 * A picture does not tell what marked the card, unless the laser was named. Engravers round every edge to dots of their own, a drawing rounds none: of both usual dots
 * those count to which the picture's fields are more alike, whatever the verdict by them.
 */
export async function inspectUnknown(
  seen: Seen,
  { face, dots, exact, options }: ExpectedSide,
  limits: QualityLimits,
): Promise<Inspected & { readonly dpi: number }> {
  const by = async (sent: ExpectedSide["dots"]) => ({
    ...(await inspectFace({ ...seen, side: face.side, frame: 1, takenAt: 0 }, face, sent, {
      ...options,
      limits,
    })),
    dpi: sent.dpi,
  });
  const coarse = await by(dots);
  if (exact) return coarse;
  const fine = await by(await renderFace(face, 600));
  return likeness(fine) > likeness(coarse) ? fine : coarse;
}

/** Golden cards of one side in the dots of the machine that marked them: of both usual ones those that all together are more alike. */
export async function inUsualDots(cards: readonly GoldenCard[]): Promise<readonly GoldenCard[]> {
  const alike = async (some: readonly GoldenCard[]): Promise<number> => {
    let sum = 0;
    for (const { picture, face, dots, options } of some)
      sum += likeness(await inspectFace(picture, face, dots, { ...options, limits: anyExposure }));
    return sum;
  };
  const fine: GoldenCard[] = [];
  for (const card of cards) fine.push({ ...card, dots: await renderFace(card.face, 600) });
  return (await alike(fine)) > (await alike(cards)) ? fine : cards;
}
