/** What quality control shows of an order's cards and what it does not: for plan and report, nothing of a person. */
import type { AnyPlanned, PreparedRecord } from "../plan/types.js";
import { scopeOf } from "../stations/quality/cross-check.js";
import type { ReliefSeen } from "./marks.js";
import { hasSealedStripe } from "./payment.js";

export interface Shown {
  /** Which parts of a card are held against one another, and in what. */
  readonly compared: readonly string[];
  /** What no proof and no comparison shows. */
  readonly unshown: readonly string[];
}

const namesOf = (lines: readonly { readonly field?: string }[]): string =>
  lines.map(({ field }, at) => field ?? `line ${String(at + 1)}`).join(", ");

/** `example`: any of the order's records; all of them have the same places. */
export function shownOf(planned: AnyPlanned, example: PreparedRecord, relief: ReliefSeen): Shown {
  const { told, faces, emboss: struck, unproved = [] } = example;
  // Where no side is drawn no picture is taken, whatever cameras there are. What nobody saw is no witness.
  const seen = relief.machine || (relief.camera && faces.length > 0);
  const emboss = seen ? struck : [];
  const pressed = faces.flatMap(({ own }) =>
    own.filter(({ kind, layer }) => kind === "line" && layer === "indent"),
  );
  const tracks = faces.flatMap(({ own }) => own.flatMap((one) => (one.kind === "stripe" ? one.tracks : [])));
  const { compared, alone } = scopeOf({
    faces,
    emboss,
    tracks,
    sealed: hasSealedStripe({ planned }),
    ...(told === undefined ? {} : { told }),
  });
  return {
    compared,
    unshown: [
      ...unproved.map((one) => `not proved: ${one}`),
      ...alone.map((one) => `not cross-checked: ${one}`),
      ...(seen || struck.length === 0
        ? []
        : [
            `not seen: raised characters (${namesOf(struck)}): no camera of this line looks at what its embosser struck, which was told the lines and confirmed the card`,
          ]),
      ...(pressed.length === 0
        ? []
        : [`not seen: characters pressed in (${namesOf(pressed)}): no camera judges them`]),
    ],
  };
}
