/** What still passes. Measured on golden cards of the simulated engraver and camera; a real line learns its own. */
export interface QualityLimits {
  /** Ink a full mark leaves on good cards, 0..1. */
  readonly fullInk: number;
  /** Share of it below which a field is faint, above which it is burnt, and below which nothing is there at all. */
  readonly faint: number;
  readonly burnt: number;
  readonly missing: number;
  /** Least correlation of a field with what must be there: below it, it is something else, and its place and darkness mean nothing. */
  readonly recognised: number;
  /** How much more a print must look like itself turned over or mirrored than upright to be said to lie so. */
  readonly lie: number;
  /** Millimetres a field may lie from its place. */
  readonly displacement: number;
  /** Difference between a glyph and what must be there, as a share of its contrast: up to the first good, from the second wrong, between doubtful. */
  readonly glyph: { readonly good: number; readonly wrong: number };
  /** Least correlation of a photo in its large shapes, in its dots, and of a printed one in its features. */
  readonly photo: {
    readonly shapes: number;
    readonly dots: number;
    readonly features: number;
    /** People who look alike differ in a mouth or a chin: share of a printed photo that may differ by so much ink in its features. */
    readonly other: { readonly ink: number; readonly share: number };
    /** The same in dots: share of a photo whose pieces of 2.5 mm may correlate less than so. */
    readonly part: { readonly correlation: number; readonly share: number };
  };
  /** Largest difference of a piece of artwork. */
  readonly art: number;
  /** Ink that counts as such on a dot where there should be none; mm² of it inside one text's box, and in any place of 2 × 2 mm. */
  readonly marked: number;
  readonly extraInk: number;
  readonly strayInk: number;
  readonly stock: {
    /** Grey of the bare body from and to which it is the right stock. */
    readonly darkest: number;
    readonly brightest: number;
    /** Share of the light from which a place has another tone, and share of the bare body that may have one. */
    readonly tone: number;
    readonly strange: number;
  };
  /** Difference that four fifths of the module's dots exceed, more than those around it, from which contacts are there. */
  readonly contacts: number;
  /** Share of ink too much, and likeness of it to the print, from which it is the print once more. */
  readonly double: { readonly ink: number; readonly correlation: number };
  readonly surface: {
    /** Difference of light that is strange, as a share of what a bare body gives back; more by so much of the steepest edge within two dots. */
    readonly bare: number;
    readonly edge: number;
    /** The same of the mean over half a millimetre. */
    readonly broad: number;
    /** Share of these from which a dot beside a strange one belongs to it. */
    readonly weak: number;
    /** mm of a scratch that is no wider than `thin` or a twelfth of its length, and mm² of a spot. */
    readonly scratch: number;
    readonly thin: number;
    readonly spot: number;
    /** mm² from which a place is a body of another tone, how much its difference may scatter then; mm across from which no line is a scratch. */
    readonly tone: { readonly area: number; readonly uneven: number; readonly strip: number };
  };
}

export const simulatedLimits: QualityLimits = {
  fullInk: 0.8,
  faint: 0.75,
  burnt: 1.25,
  missing: 0.2,
  recognised: 0.6,
  lie: 0.1,
  displacement: 0.3,
  glyph: { good: 0.32, wrong: 0.4 },
  photo: {
    shapes: 0.9,
    dots: 0.5,
    features: 0.9,
    other: { ink: 0.04, share: 0.005 },
    part: { correlation: 0.3, share: 0.1 },
  },
  art: 0.5,
  marked: 0.3,
  extraInk: 0.12,
  strayInk: 0.25,
  stock: { darkest: 174, brightest: 255, tone: 0.12, strange: 0.07 },
  contacts: 0.05,
  double: { ink: 0.05, correlation: 0.46 },
  surface: {
    bare: 0.13,
    edge: 0.1,
    broad: 0.13,
    weak: 0.5,
    scratch: 3,
    thin: 0.7,
    spot: 0.14,
    tone: { area: 25, uneven: 0.12, strip: 3 },
  },
};

/** For pictures of a camera whose light nobody has learned: any exposure is taken as it is, everything else is judged alike. */
export const anyExposure: QualityLimits = {
  ...simulatedLimits,
  stock: { ...simulatedLimits.stock, darkest: 50, brightest: 400 },
};

/**
 * For pictures of cards that nobody knows how they were made: the very dots are not known either, so an edge may lie up to half a dot beside
 * the expected one, which on a full mark's edge is a third of its contrast.
 */
export const foreignLimits: QualityLimits = {
  ...anyExposure,
  surface: { ...simulatedLimits.surface, edge: 0.3 },
};
