/** Bits of the terminal verification results (95; EMV Book 3, annex C5): byte, bit. */
export const TVR = {
  offlineProofNotDone: [0, 0x80],
  sdaFailed: [0, 0x40],
  dataMissing: [0, 0x20],
  ddaFailed: [0, 0x08],
  cdaFailed: [0, 0x04],
  sdaSelected: [0, 0x02],
  versionsDiffer: [1, 0x80],
  expired: [1, 0x40],
  notYetEffective: [1, 0x20],
  serviceNotAllowed: [1, 0x10],
  newCard: [1, 0x08],
  holderNotVerified: [2, 0x80],
  unrecognisedMethod: [2, 0x40],
  noPinTries: [2, 0x20],
  noPinPad: [2, 0x10],
  pinNotEntered: [2, 0x08],
  aboveFloorLimit: [3, 0x80],
  lowerLimitExceeded: [3, 0x40],
  upperLimitExceeded: [3, 0x20],
  issuerAuthenticationFailed: [4, 0x40],
  scriptFailedBefore: [4, 0x20],
  scriptFailedAfter: [4, 0x10],
} as const;

export type TvrBit = keyof typeof TVR;

/** Bits of the first byte of the transaction status information (9B; annex C6): what was done, whatever it found. */
export const TSI = {
  offlineProof: 0x80,
  holderVerification: 0x40,
  cardRiskManagement: 0x20,
  issuerAuthentication: 0x10,
  terminalRiskManagement: 0x08,
  scripts: 0x04,
} as const;

/** Transaction status information as it comes about. */
export class Status {
  #bits = 0;

  did(step: keyof typeof TSI): void {
    this.#bits |= TSI[step];
  }

  get bytes(): Uint8Array {
    return Uint8Array.of(this.#bits, 0x00);
  }
}

/** Terminal verification results as they come about. */
export class Verification {
  readonly #bytes = new Uint8Array(5);

  set([byte, bit]: (typeof TVR)[keyof typeof TVR]): void {
    this.#bytes[byte] = (this.#bytes[byte] ?? 0) | bit;
  }

  get bytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** Whether one of the bits is among those of an action code of card or terminal (EMV Book 3, 10.7). */
  meets(...codes: readonly (Uint8Array | undefined)[]): boolean {
    return codes.some((code) => this.#bytes.some((byte, at) => (byte & (code?.[at] ?? 0)) !== 0));
  }
}
