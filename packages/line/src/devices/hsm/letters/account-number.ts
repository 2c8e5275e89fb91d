/** A letter must not tell whose account its PIN belongs to. */
import { isPan } from "@persoline/card/emv";

/** A run of 12 to 19 digits, also in groups, whose last one is their check digit (ISO/IEC 7812-1, annex B). */
export const hasAccountNumber = (text: string): boolean =>
  [...text.matchAll(/\d(?:[ -]?\d)+/g)].some(([found]) => {
    const digits = found.replaceAll(/\D/g, "");
    return digits.length >= 12 && isPan(digits);
  });
