/** What still passes. Measured on golden cards of the simulated engraver and camera; a real line learns its own. */
export interface QualityLimits {
  /** Ink a full mark leaves on good cards, 0..1. */
  readonly fullInk: number;
  /** Share of it below which a field is faint, above which it is burnt, and below which nothing is there at all. */
  readonly faint: number;
  readonly burnt: number;
  readonly missing: number;
  /** Millimetres a field may lie from its place. */
  readonly displacement: number;
  /** Difference between a glyph and what must be there, as a share of its contrast: up to the first good, from the second wrong, between doubtful. */
  readonly glyph: { readonly good: number; readonly wrong: number };
  /** Least correlation of a photo in its large shapes, in its dots, and of a printed one in its features. */
  readonly photo: { readonly shapes: number; readonly dots: number; readonly features: number };
  /** Largest difference of a piece of artwork. */
  readonly art: number;
  /** Square millimetres of ink where there should be none: inside one text's box, and in any place of 2 × 2 mm. */
  readonly extraInk: number;
  readonly strayInk: number;
  /** Grey of the bare body from and to which it is the right stock, and share of it that may have another tone. */
  readonly stock: { readonly darkest: number; readonly brightest: number; readonly strange: number };
  /** Mean difference from bare plastic from which contacts are there. */
  readonly contacts: number;
  /** Share of ink too much, and likeness of it to the print, from which it is the print once more. */
  readonly double: { readonly ink: number; readonly correlation: number };
  /** Difference in ink that is seen on bare plastic, on marks, and in the mean of a photo; mm of a scratch, mm² of a spot. */
  readonly surface: {
    readonly bare: number;
    readonly inked: number;
    readonly photo: number;
    readonly scratch: number;
    readonly spot: number;
  };
}

export const simulatedLimits: QualityLimits = {
  fullInk: 0.8,
  faint: 0.75,
  burnt: 1.25,
  missing: 0.2,
  displacement: 0.3,
  glyph: { good: 0.32, wrong: 0.4 },
  photo: { shapes: 0.9, dots: 0.5, features: 0.8 },
  art: 0.5,
  extraInk: 0.12,
  strayInk: 0.25,
  stock: { darkest: 174, brightest: 255, strange: 0.07 },
  contacts: 0.05,
  double: { ink: 0.12, correlation: 0.2 },
  surface: { bare: 0.16, inked: 0.24, photo: 0.24, scratch: 3, spot: 0.14 },
};

/** For pictures of a camera whose light nobody has learned: any exposure is taken as it is, everything else is judged alike. */
export const foreignLimits: QualityLimits = {
  ...simulatedLimits,
  stock: { ...simulatedLimits.stock, darkest: 50, brightest: 400 },
};
