/** Which of the tokens that a library shows is meant: a label is not a name, for anybody may give it to two of them. */
import type { Handle, TokenAccess } from "./token-session.js";
import { KeystoreProblem } from "../keystore.js";

/** A token as its library shows it. */
export interface ShownToken {
  readonly slot: Handle;
  readonly label: string;
  readonly serial: string;
}

/** The number of a slot: CK_ULONG, least byte first on the machines that this runs on. */
const numberOf = (slot: Handle): bigint => BigInt(`0x${Buffer.from(slot).reverse().toString("hex")}`);

/** What a token says of itself is no line of its own, and turns none around: controls and directions are shown by their numbers. */
export const shownAs = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (one) => `<${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, "0")}>`,
  );

const told = (tokens: readonly ShownToken[]): string =>
  tokens.map(({ slot, serial }) => `serial ${shownAs(serial)} in slot ${String(numberOf(slot))}`).join(", ");

/** Throws KeystoreProblem unless it is one and no other, and the one that the keys were made in where nobody picks another. */
export function pickToken(
  shown: readonly ShownToken[],
  { label, serial, slot, expected }: Omit<TokenAccess, "library" | "pin">,
): ShownToken {
  const labelled = shown.filter((one) => one.label === label);
  const meant = labelled.filter(
    (one) =>
      (serial === undefined || one.serial === serial) &&
      (slot === undefined || numberOf(one.slot) === BigInt(slot)),
  );
  const [picked, second] = meant;
  if (picked !== undefined && second === undefined) {
    if (serial !== undefined || slot !== undefined || expected === undefined || picked.serial === expected)
      return picked;
    throw new KeystoreProblem(
      "not-ours",
      `the keys here were made in token ${label} with serial ${expected}, and the token ${label} that is there has ${told([picked])}: put the right one in; its PIN was not tried. If this one took its place and its keys were restored into it, say so with --token-serial ${shownAs(picked.serial)}`,
    );
  }
  if (picked !== undefined) {
    const known = meant.some((one) => one.serial === expected);
    throw new KeystoreProblem(
      "missing",
      `${String(meant.length)} tokens have the label ${label} (${told(meant)}), and which one is meant is not said: pick one with --token-serial, or with --token-slot where both have the same${known ? `. The keys here were made in the one with serial ${String(expected)}` : ""}`,
    );
  }
  const asked = [
    ...(serial === undefined ? [] : [`serial ${serial}`]),
    ...(slot === undefined ? [] : [`slot ${String(slot)}`]),
  ].join(", ");
  if (labelled.length > 0)
    throw new KeystoreProblem(
      "missing",
      `no token ${label} has ${asked}; there is ${told(labelled)}. Put the right one in, or correct --token-serial or --token-slot`,
    );
  const others = shown.filter((one) => one.label !== "").map((one) => shownAs(one.label));
  throw new KeystoreProblem(
    "missing",
    `there is no token with the label ${label}: is it plugged in, and is the library the right one? ${others.length === 0 ? "It shows no other" : `It shows ${[...new Set(others)].join(", ")}`}`,
  );
}
