import { CardProblem } from "../bytes/index.js";
import { packNumeric } from "./digits.js";

/** Check digit of the digits before it (ISO/IEC 7812-1, annex B). Throws CardProblem `bad-value` for what is not digits. */
export function luhnDigit(payload: string): string {
  if (!/^[0-9]+$/.test(payload)) throw new CardProblem("bad-value", "PAN", "not all are decimal digits");
  let sum = 0;
  for (let at = payload.length - 1, double = true; at >= 0; at--, double = !double) {
    const digit = Number(payload[at]) * (double ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return String((10 - (sum % 10)) % 10);
}

/** Whether it is 8 to 19 digits of which the last is right (ISO/IEC 7812-1). */
export const isPan = (text: string): boolean =>
  /^[0-9]{8,19}$/.test(text) && luhnDigit(text.slice(0, -1)) === text.at(-1);

/** First six and last four digits, the rest as asterisks: what may stand in reports. */
export const maskPan = (pan: string): string =>
  pan.length < 13
    ? "*".repeat(pan.length)
    : `${pan.slice(0, 6)}${"*".repeat(pan.length - 10)}${pan.slice(-4)}`;

/** PAN ‖ sequence number as digits, as both derivation options begin (EMV Book 2, A1.4). Throws CardProblem `bad-value`. */
export function panAndSequence(pan: string, psn: string): string {
  if (!/^[0-9]{8,19}$/.test(pan)) throw new CardProblem("bad-value", "PAN", "it has 8 to 19 digits");
  if (!/^[0-9]{2}$/.test(psn)) throw new CardProblem("bad-value", "PAN sequence number", "it has two digits");
  return pan + psn;
}

/** The twelve rightmost digits without the check digit, as PIN blocks want them (ISO 9564-1, 9.3.2): 8 bytes. */
export function panField(pan: string): Uint8Array {
  if (!/^[0-9]{8,19}$/.test(pan)) throw new CardProblem("bad-value", "PAN", "it has 8 to 19 digits");
  return packNumeric(pan.slice(0, -1).slice(-12), 8);
}
