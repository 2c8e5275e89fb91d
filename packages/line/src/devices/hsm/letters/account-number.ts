/** A letter must not tell whose account its PIN belongs to. */
import { isPan } from "@persoline/card/emv";

const SHORTEST = 12;
const LONGEST = 19;
/**
 * Digits with up to three characters between them that are neither digits nor letters, and what stands before. Lines of an address end a run,
 * and what is joined by a comma and a space: house number and postcode are no account.
 */
const RUN = /([+(]*)(\d(?:(?![^\d]*(?:[,;]\s|\n))[^\p{L}\d+]{0,3}\d)*)/gu;
/** A telephone number has at most 15 digits (ITU-T E.164, clause 6) and begins with "+", or with one zero or two: no account number does. */
const isTelephone = (before: string, digits: string): boolean =>
  (before.includes("+") || digits.startsWith("0")) && digits.length <= (digits.startsWith("00") ? 17 : 15);

/**
 * Whether 12 to 19 digits in a row, whatever separates and surrounds them, end with their check digit (ISO/IEC 7812-1, annex B). One in ten
 * numbers of 12 digits does so by chance, and most of 16 have such a part: a long reference is taken for an account sooner than the other way
 * about. Telephone numbers are passed over, and postal addresses have too few digits in a row.
 */
export const hasAccountNumber = (text: string): boolean =>
  [...text.normalize("NFKC").matchAll(RUN)].some(([, before = "", run = ""]) => {
    const digits = run.replaceAll(/\D/g, "");
    return !isTelephone(before, digits) && hasWindow(digits);
  });

function hasWindow(digits: string): boolean {
  for (let from = 0; from + SHORTEST <= digits.length; from++)
    for (let length = SHORTEST; length <= LONGEST && from + length <= digits.length; length++) {
      // No issuer's number begins with a zero (ISO/IEC 7812-1, 5.2: industry 0 is not a bank's).
      if (digits[from] !== "0" && isPan(digits.slice(from, from + length))) return true;
    }
  return false;
}
