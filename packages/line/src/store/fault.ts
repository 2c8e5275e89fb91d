/** The store or the journal cannot keep its promise: the line stops before the next card, and nobody is rejected for it. */
export type StoreFaultCode =
  | "disk-full"
  | "input-output"
  | "read-only"
  | "corrupt"
  | "busy"
  | "newer-version"
  | "not-ours"
  | "closed"
  | "database";

export class StoreFault extends Error {
  override readonly name = "StoreFault";
  constructor(
    readonly file: string,
    readonly code: StoreFaultCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** After one of these nothing that this process knows of the file is certain any more. */
export const lasting: readonly StoreFaultCode[] = ["input-output", "read-only", "corrupt"];
