/** Room for one judgement: the planes of a face are large, and kept from face to face instead of being asked of the system anew. */
import { judgedAt } from "./density.js";
import { type Plane, plane } from "./plane.js";

/** Dots of a straightened ID-1 card (ISO/IEC 7810) at the resolution of judging. */
const dotsOfCard = {
  width: Math.round((85.6 / 25.4) * judgedAt),
  height: Math.round((53.98 / 25.4) * judgedAt),
} as const;

export interface Desk {
  readonly seen: Plane;
  readonly expected: Plane;
  /** At half resolution. */
  readonly seenHalf: Plane;
  readonly expectedHalf: Plane;
  readonly near: Plane;
  readonly rest: Plane;
  readonly mean: Plane;
  /** Raised characters. */
  readonly relief: Plane;
  readonly photo: Float32Array;
  /** One byte a dot. */
  readonly marks: Uint8Array;
  /** For whatever step is under way: as large as a side each. */
  readonly spare: readonly [Float32Array, Float32Array, Float32Array, Float32Array];
}

function newDesk(): Desk {
  const { width, height } = dotsOfCard;
  const [half, dots] = [() => plane(width >> 1, height >> 1), width * height];
  return {
    seen: plane(width, height),
    expected: plane(width, height),
    seenHalf: half(),
    expectedHalf: half(),
    near: half(),
    rest: half(),
    mean: half(),
    relief: plane(width, height),
    photo: new Float32Array(dots),
    marks: new Uint8Array(dots),
    spare: [new Float32Array(dots), new Float32Array(dots), new Float32Array(dots), new Float32Array(dots)],
  };
}

const idle: Desk[] = [];

/** Work on a desk of one's own: judgements that run side by side never share one. What lay on it before is still there. */
export async function atDesk<T>(work: (desk: Desk) => Promise<T>): Promise<T> {
  const desk = idle.pop() ?? newDesk();
  try {
    return await work(desk);
  } finally {
    idle.push(desk);
  }
}
