/** Dye-sublimation and retransfer ribbons show every picture they gave, readable panel by panel. */
export const ribbonResidue =
  "the printer's ribbon holds the images of this card: count it in and out, and destroy it under two people's eyes";
