/** Places of an ID-1 card that the standards keep for something, mm from the upper left corner of the side that carries it. */
import { stripe, struckWords } from "@persoline/card/id1";
import type { Box, PlacedLine } from "../placed.js";
import { card } from "./art.js";

/** Around the contacts and their module (ISO/IEC 7816-2). */
export const chipKeepOut: Box = { x: 9.5, y: 16.5, width: 11.5, height: 14.5 };

/**
 * Where nothing may be raised: the module of the contacts (they end 28.55 mm below the upper edge, ISO/IEC 7816-2) and half a millimetre
 * around it. The number line of ISO/IEC 7811-3 passes right below.
 */
export const chipModule: Box = { x: 9.1, y: 17.8, width: 12, height: 12.2 };

/** The engraver's field ends so far from the edge: cards are never clamped to a hair. */
export const border = 1;

/** Magnetic stripe (ISO/IEC 7811-2, -6): its upper edge at most 5.54 mm from the card's, 6.35 or 10.28 mm high. */
export const stripeBox = (kind: "two-track" | "three-track"): Box => ({
  x: 0,
  y: stripe.top,
  width: card.width,
  height: kind === "two-track" ? stripe.twoTracks : stripe.threeTracks,
});

/** The stripe and half a millimetre above and below it. */
export const stripeZone = (kind: "two-track" | "three-track"): Box => {
  const { x, y, width, height } = stripeBox(kind);
  const around = 0.5;
  return { x, y: y - around, width, height: height + 2 * around };
};

export const right = (box: Box): number => box.x + box.width;
export const bottom = (box: Box): number => box.y + box.height;
export const meet = (a: Box, b: Box): boolean =>
  a.x < right(b) - 1e-6 && b.x < right(a) - 1e-6 && a.y < bottom(b) - 1e-6 && b.y < bottom(a) - 1e-6;
export const inside = (inner: Box, outer: Box, slack = 1e-6): boolean =>
  inner.x >= outer.x - slack &&
  inner.y >= outer.y - slack &&
  right(inner) <= right(outer) + slack &&
  bottom(inner) <= bottom(outer) + slack;
export const grown = ({ x, y, width, height }: Box, by: number): Box => ({
  x: x - by,
  y: y - by,
  width: width + 2 * by,
  height: height + 2 * by,
});
export const describe = (box: Box): string =>
  `${box.x.toFixed(2)}..${right(box).toFixed(2)} × ${box.y.toFixed(2)}..${bottom(box).toFixed(2)} mm`;

/** Distance of two boxes that do not meet; 0 when they do. */
export const gap = (a: Box, b: Box): number =>
  Math.hypot(Math.max(0, b.x - right(a), a.x - right(b)), Math.max(0, b.y - bottom(a), a.y - bottom(b)));

/** The shortest move of `box` that takes it off `zone`: "move it 0.4 mm down", as an adviser says it. */
export function wayOut(box: Box, zone: Box): string {
  const moves = [
    { by: right(zone) - box.x, to: "to the right", left: right(zone) + box.width <= card.width - border },
    { by: right(box) - zone.x, to: "to the left", left: zone.x - box.width >= border },
    { by: bottom(zone) - box.y, to: "down", left: bottom(zone) + box.height <= card.height - border },
    { by: bottom(box) - zone.y, to: "up", left: zone.y - box.height >= border },
  ].toSorted((a, b) => a.by - b.by);
  const best = moves.find(({ left }) => left) ?? moves[0];
  return best === undefined ? "move it" : `move it ${best.by.toFixed(2)} mm ${best.to}`;
}

/** Millimetres by which the box's worst corner lies beyond the card's rounded outline drawn in by `inset`; 0 or less when it is inside. */
export function beyondOutline(box: Box, inset: number): number {
  const radius = card.radius;
  const over = Math.max(
    inset - box.x,
    inset - box.y,
    right(box) - (card.width - inset),
    bottom(box) - (card.height - inset),
  );
  const corners = [
    [box.x, box.y],
    [right(box), box.y],
    [box.x, bottom(box)],
    [right(box), bottom(box)],
  ] as const;
  const around = corners.map(([x, y]) => {
    // How far the point lies outwards of the centre of the nearest corner's arc; both must be positive to be in the corner at all.
    const dx = Math.max(radius - x, x - (card.width - radius));
    const dy = Math.max(radius - y, y - (card.height - radius));
    return dx > 0 && dy > 0 ? Math.hypot(dx, dy) - (radius - inset) : Number.NEGATIVE_INFINITY;
  });
  return Math.max(over, ...around);
}

/** Where raised or pressed characters will stand, word by word. */
export const struckBoxes = (
  line: Pick<PlacedLine, "text" | "font" | "x" | "yFromBottom" | "pitch">,
): readonly Box[] =>
  struckWords(line).map(({ left, right, bottom, top }) => ({
    x: left,
    y: card.height - top,
    width: right - left,
    height: top - bottom,
  }));

/** The same place seen from the other side. */
export const fromBehind = (box: Box): Box => ({ ...box, x: card.width - right(box) });
