/** An issuer's file is refused, whole. Tells where and what, and nothing of what it holds. */
export class IssuerDataProblem extends Error {
  override readonly name = "IssuerDataProblem";
  constructor(
    /** "head", "record 7", … */
    readonly where: string,
    readonly hint: string,
  ) {
    super(`${where}: ${hint}`);
  }
}
