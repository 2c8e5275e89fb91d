/** What a new passphrase must be, whoever's it is. */
import { OfficeRefusal } from "./refusal.js";

export const shortestPassphrase = 12;

/** Judges one that is chosen now; those of before open what they opened. Throws OfficeRefusal. */
export function mustBeLong(whose: string, passphrase: string): void {
  if (Array.from(passphrase).length < shortestPassphrase)
    throw new OfficeRefusal(
      `${whose} passphrase has at least ${shortestPassphrase} characters; choose another`,
    );
}
