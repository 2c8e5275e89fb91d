/** One side of a record as the judge wants it, and pictures from outside. */
import { readFile } from "node:fs/promises";
import { renderFace, renderGround } from "../plan/layout/index.js";
import type { Face } from "../plan/types.js";
import { decodePicture, type JudgeOptions } from "../stations/quality/index.js";
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
  /** At 300 dpi. */
  readonly dots: Awaited<ReturnType<typeof renderFace>>;
  readonly options: Omit<JudgeOptions, "limits">;
}

/** What must be on one side of a record's card. Throws Refusal when there is no such record or side. */
export async function expectedSide(
  desk: LayoutDesk,
  { record, side, cardNumber }: { record: number; side: Face["side"]; cardNumber?: string | undefined },
): Promise<ExpectedSide> {
  const { drawing } = desk;
  const { values, photos } = await recordOf(desk, record);
  const { faces } = drawing.draw(cardNumber === undefined ? values : { ...values, cardNumber }, photos);
  const face = faces.find((one) => one.side === side);
  const other = faces.find((one) => one.side !== side);
  if (face === undefined) throw new Refusal(`${desk.name} has no ${side}`);
  const dots = await renderFace(face, 300);
  const ground = await renderGround(face, 300);
  const otherGround = other === undefined ? undefined : await renderGround(other, 300);
  return {
    face,
    dots,
    options: {
      chip: chipSideOf(drawing),
      ...(ground === undefined ? {} : { ground: ground.common }),
      ...(ground?.own === undefined ? {} : { printed: ground.own }),
      ...(otherGround === undefined ? {} : { otherGround: otherGround.common }),
    },
  };
}
