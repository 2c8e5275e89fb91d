/**
 * Every way in which bytes from or for a card can break a promise, with what to do about it.
 * The manual's list of card problems is made from this table.
 */
export const CARD_PROBLEMS = {
  "bad-hex": "Write bytes as pairs of hexadecimal digits, without spaces.",
  "bad-text": "The bytes are not valid UTF-8; check which file or object they were read from.",
  "bad-value": "A parameter is outside the range that the standard allows; correct the profile or the call.",
  "bad-tlv": "The TLV object is damaged or truncated; read it again, and reject the card when it repeats.",
  "bad-dgi": "The data grouping is damaged or truncated; check the producer of the personalization data.",
  "bad-apdu": "The command APDU is malformed; check its case, lengths and class byte.",
  "bad-response": "The card's answer is malformed; reset the card, and reject it when it repeats.",
  "bad-fcp": "The file control information contradicts ISO/IEC 7816-4; compare it with the card profile.",
  "bad-key": "The key has a wrong length for its algorithm; check the key's name and version.",
  "bad-padding": "The padding 80 00.. is missing; the key, the data or the mode of operation is wrong.",
  "too-long": "The command does not fit; use smaller blocks or command chaining.",
  "endless-response": "The card announces data without end; reject it.",
  "scp03-answer":
    "INITIALIZE UPDATE was answered in an unknown form; the card or its profile is not an SCP03 one.",
  "scp03-level":
    "The card's parameter i does not allow the security level; lower the level or change the card.",
  "scp03-card-cryptogram": "The card does not know the key set; do not try again, check the key set first.",
  "scp03-challenge": "The card challenge is not the one this card must give; check AID and key set.",
  "scp03-mac": "The response MAC does not match; the session is closed and the card is in doubt.",
  "scp02-answer":
    "INITIALIZE UPDATE was answered in an unknown form; the card or its profile is not an SCP02 one.",
  "scp02-level":
    "The parameter i does not allow the security level; lower the level or correct i in the profile.",
  "scp02-card-cryptogram": "The card does not know the key set; do not try again, check the key set first.",
  "scp02-challenge": "The card challenge is not the one this card must give; check AID and key set.",
  "scp02-mac": "The response MAC does not match; the session is closed and the card is in doubt.",
  "scp11-answer":
    "The card's answer to the key agreement is malformed, or its key is not the trusted one; stop.",
  "scp11-certificate":
    "A certificate does not hold: another authority, key usage, chip or date; do not speak to the card any further.",
  "scp11-refused":
    "The card refused the host's certificate or the key agreement; do not try again, check which authority and key the card has.",
  "scp11-receipt": "The card does not have the private key of its certificate; do not use it.",
  "desfire-refused":
    "The card refused the command; look its status up, and never repeat one that a key proves.",
  "desfire-proof": "The card does not know the key; do not try again, check key and diversification first.",
  "desfire-mac": "The answer's MAC or CRC does not match; the session is closed and the card is in doubt.",
  "sm-authentication":
    "The card does not know the key, or answered another challenge; do not try again, check the key first.",
  "sm-answer":
    "The answer's secure messaging is missing or wrong; the session is closed and the card is in doubt.",
  "emv-certificate":
    "A certificate or signature does not hold; check which keys, PAN and static data it was made for.",
  "emv-answer": "The card's answer breaks EMV Book 3; check the card's data, and reject it when it repeats.",
  "session-closed": "The secure session has ended; open a new one.",
  "out-of-step": "Responses and wrapped commands do not correspond; the session has to be opened anew.",
  "line-silent": "The card stopped answering within its waiting time; reset it.",
  "line-noise": "Characters arrive damaged again and again; re-seat the card and clean the contacts.",
  "line-endless": "The card keeps asking for more time; reset it, and reject it when it repeats.",
  "line-protocol": "The card breaks its transmission protocol; reset it, and reject it when it repeats.",
  pps: "The card refused its own transmission parameters; deactivate it, and reject it when it repeats.",
  "bad-trace": "The trace is damaged; record it again with card trace record.",
  "trace-differs": "The conversation is another than the recorded one; record it again if that is intended.",
  "bad-key-block":
    "The key block is damaged, or says of its key what it must not; ask its sender for a new one, and check the protection key.",
  "kcv-mismatch": "The card's key check values differ from those of the keys sent; reject the card.",
} as const;

export type CardProblemCode = keyof typeof CARD_PROBLEMS;

/**
 * A card, or data exchanged with one, broke a promise. `where` names the command, object or byte offset.
 * The text never holds keys, PINs, MACs or personal data.
 */
export class CardProblem extends Error {
  override readonly name = "CardProblem";
  readonly code: CardProblemCode;
  readonly where: string;
  constructor(code: CardProblemCode, where: string, hint: string) {
    super(`${where}: ${hint}`);
    this.code = code;
    this.where = where;
  }
}
