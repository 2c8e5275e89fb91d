/** A card, a measurement or a file that this laser cannot do: what is wrong, and what to do. */
export class LaserProblem extends Error {
  override readonly name = "LaserProblem";
}
