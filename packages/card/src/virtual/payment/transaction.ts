/** What the application knows of the transaction in hand; gone with the next SELECT and with each reset. */
export interface Transaction {
  /** `selected`: GET PROCESSING OPTIONS is due; `online`: an ARQC was given; `over`: both cryptograms are. */
  phase: "selected" | "started" | "online" | "over";
  pdolData: Uint8Array;
  cdol1Data: Uint8Array;
  /** The first cryptogram; scripts come under it. */
  cryptogram: Uint8Array | undefined;
  first: "aac" | "tc" | "arqc" | undefined;
  pin: "not asked" | "right" | "wrong";
  issuer: "not asked" | "right" | "wrong";
  /** What a proved issuer says of this transaction. */
  approved: boolean;
  signed: boolean;
  /** MAC before, of the script in hand. */
  scriptChain: Uint8Array;
  scripts: number;
  scriptFailed: boolean;
}

export const newTransaction = (): Transaction => ({
  phase: "selected",
  pdolData: new Uint8Array(0),
  cdol1Data: new Uint8Array(0),
  cryptogram: undefined,
  first: undefined,
  pin: "not asked",
  issuer: "not asked",
  approved: false,
  signed: false,
  scriptChain: new Uint8Array(8),
  scripts: 0,
  scriptFailed: false,
});
