/** The whole side: its body, its light, how its print lies, and which side it is. */
import type { Picture } from "../../devices/camera/port.js";
import { chipKeepOut } from "../../plan/layout/index.js";
import { type Dots, expectedInk, judgedAt } from "./density.js";
import type { Desk } from "./desk.js";
import type { FaceFinding, FaultOfFace } from "./finding.js";
import { contactsSeen, lieOf } from "./lie.js";
import { type ExpectedGround, groundSeen, type Light, lightOn, seenInk, trimToCard } from "./light.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";
import { type Box, perMm } from "./match.js";
import { boxBlur, halve } from "./plane.js";
import { type Raised, raisedBoxes } from "./relief.js";
import { type Sight, sightOf } from "./sight.js";
import { type Outline, straightened } from "./straighten.js";

export interface JudgeOptions {
  readonly limits?: QualityLimits;
  /** Side with the contacts; default "front". */
  readonly chip?: "front" | "back" | "none";
  /** What is printed on that side of all cards of the layout, where the camera sees it. */
  readonly ground?: ExpectedGround;
  /** The same of the other side: a card that lies with the wrong side up shows it. */
  readonly otherGround?: ExpectedGround;
  /** What the printer adds for this record alone: it is verified like the engraver's marks. */
  readonly printed?: ExpectedGround;
  /** What is embossed on the card: raised on its front, dents on its back. */
  readonly raised?: Raised;
}

export const wholeCard = { x: 0, y: 0, width: 85.6, height: 53.98 };

/** A finding of the whole side that stands for itself. */
export const ofCard = (what: FaultOfFace, detail?: string): FaceFinding => ({
  field: "card",
  what,
  measured: 0,
  limit: 1,
  unit: "count",
  box: wholeCard,
  weight: "reject",
  ...(detail === undefined ? {} : { detail }),
});

/** What the whole side shows before any field is looked at; findings end the judgement, for nothing on such a card can be compared. */
export function lookAt(
  picture: Picture,
  outline: Outline,
  sent: Dots,
  options: JudgeOptions,
  contacts: readonly Box[],
  desk: Desk,
): { readonly sight: Sight; readonly level: number } | { readonly findings: readonly FaceFinding[] } {
  const limits = options.limits ?? simulatedLimits;
  const across = desk.spare[0];
  const expected = expectedInk(sent, desk.expected, across, options.printed?.grey, limits.fullInk);
  trimToCard(expected);
  const expectedHalf = halve(expected, desk.expectedHalf);
  // Spread over four full dots around.
  const near = boxBlur(expectedHalf, 2, desk.near, across);
  const straight = straightened(picture, outline, judgedAt);
  // Contacts are left out on both sides: a card that lies with the wrong side up shows them too.
  const ground = options.ground === undefined ? undefined : groundSeen(options.ground);
  // Flanks of raised characters are no light of the body either.
  const notBare = [chipKeepOut, ...raisedBoxes(options.raised, picture.side)];
  const leftOut = (x: number, y: number): boolean =>
    notBare.some(
      (box) =>
        x > box.x * perMm &&
        x < (box.x + box.width) * perMm &&
        y > box.y * perMm &&
        y < (box.y + box.height) * perMm,
    );
  const light = lightOn(straight, near, ground, leftOut, limits.stock.tone);
  const { darkest, brightest, strange } = limits.stock;
  const stock = (measured: number, limit: number, unit: "grey" | "share", detail: string): FaceFinding => ({
    ...ofCard("wrong-stock", detail),
    measured,
    limit,
    unit,
  });
  const side = (detail: string, measured: number, limit: number): FaceFinding => ({
    ...ofCard("wrong-side", detail),
    measured,
    limit,
    unit: "share",
  });
  const hasTone = ({ level }: Light): boolean => level >= darkest && level <= brightest;
  // A card that lies with its other side up has that side's print.
  const otherSide = (): FaceFinding | undefined => {
    const { otherGround } = options;
    if (otherGround === undefined) return undefined;
    const turned = lightOn(straight, near, groundSeen(otherGround), leftOut, limits.stock.tone);
    if (!hasTone(turned) || turned.strange >= light.strange / 2) return undefined;
    return side("it shows the print of the other side", light.strange, strange);
  };
  if (!hasTone(light)) {
    const turned = light.strange > strange ? otherSide() : undefined;
    if (turned !== undefined) return { findings: [turned] };
    return {
      findings: [
        stock(light.level, light.level < darkest ? darkest : brightest, "grey", "the body has another tone"),
      ],
    };
  }
  const seen = seenInk(straight, light, ground, desk.seen);
  const seenHalf = halve(seen, desk.seenHalf);
  const { upright, turned, mirrored } = lieOf(seenHalf, expectedHalf, limits.fullInk, options.printed);
  const lies = (what: "upside-down" | "mirrored", likeness: number): FaceFinding => ({
    ...ofCard(what),
    measured: upright.correlation,
    limit: likeness,
    unit: "correlation",
  });
  if (turned > upright.correlation + limits.lie && turned >= mirrored)
    return { findings: [lies("upside-down", turned)] };
  if (mirrored > upright.correlation + limits.lie) return { findings: [lies("mirrored", mirrored)] };
  const sight = sightOf(
    { seen, expected, seenHalf, expectedHalf, near, desk, ...(ground === undefined ? {} : { ground }) },
    upright,
    limits,
  );
  if (options.chip !== "none") {
    const { more, through } = contactsSeen(sight);
    const must = contacts.length > 0;
    // A strip of another tone that runs through their place hides them, and looks like them where there are none.
    const hidden = light.strange > strange && through > limits.contacts;
    if (more > limits.contacts !== must && !hidden)
      return {
        findings: [side(must ? "there are no contacts" : "there are contacts", more, limits.contacts)],
      };
  }
  // After the lie: a print that lies turned over covers what should be bare.
  if (light.strange > strange)
    return {
      findings: [
        otherSide() ?? stock(light.strange, strange, "share", "a part of the body has another tone"),
      ],
    };
  return { sight, level: light.level };
}
