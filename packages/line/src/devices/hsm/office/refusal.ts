/** The key office refuses, and says why. Nothing was changed. */
export class OfficeRefusal extends Error {
  override readonly name = "OfficeRefusal";
}
