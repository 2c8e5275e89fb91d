/** A broken rule of the accounts: what is wrong, with which card, record or order, and what to do about it. */
export type AccountsProblemCode =
  | "wrong-state"
  | "unknown-card"
  | "unknown-order"
  | "unknown-letter"
  | "unknown-carrier"
  | "no-pin"
  | "already-imported"
  | "duplicate-serial"
  | "wrong-count"
  | "not-bound"
  | "not-passed"
  | "no-pictures"
  | "unbalanced"
  | "open-ends"
  | "two-people"
  | "key-not-released"
  | "data-altered"
  | "audit-broken";

export class AccountsProblem extends Error {
  override readonly name = "AccountsProblem";
  constructor(
    readonly code: AccountsProblemCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
