/**
 * Personalization device instructions: how the issuer wants an application's data groupings sent. Names and purposes are those of the EMV
 * Card Personalization Specification (2.2 of version 1.1, from memory: its text was not read); the lists' layout is this file format's own.
 */
import type { Cursor } from "./cursor.js";
import { IssuerDataProblem } from "./problem.js";

export interface Instructions {
  /** ORDER: groupings that go up in this sequence, one list a sequence; all others by identifier. */
  readonly order: readonly (readonly number[])[];
  /** GROUP: groupings that go up together in one command, in this sequence. */
  readonly groups: readonly (readonly number[])[];
  /** VERCNTL: groupings that some versions of the application do not know; a card may answer 6A88 to them, and goes on. None is secret. */
  readonly optional: readonly number[];
  /** RANDOM: groupings that are filled up with random bytes to the length that the product says. */
  readonly random: readonly number[];
}

export const noInstructions: Instructions = { order: [], groups: [], optional: [], random: [] };

/** Groupings of one command. */
export interface SentTogether {
  readonly ids: readonly number[];
  /** The card may refuse it with 6A88. */
  readonly optional: boolean;
}

const text = (id: number): string => id.toString(16).toUpperCase().padStart(4, "0");

/** Identifiers of 2 bytes each, to the field's end. */
export function identifierList(cursor: Cursor, what: string): number[] {
  const found: number[] = [];
  while (cursor.left > 0) found.push(cursor.number(2, `${what}'s grouping`));
  return found;
}

/** Lists, each a number of identifiers (1 byte) and the identifiers. */
export function identifierLists(cursor: Cursor, what: string): number[][] {
  const found: number[][] = [];
  while (cursor.left > 0) {
    const count = cursor.number(1, `the number of ${what}'s groupings`);
    found.push(Array.from({ length: count }, () => cursor.number(2, `${what}'s grouping`)));
  }
  return found;
}

/** Throws IssuerDataProblem for instructions about what is not there, and for such as contradict themselves. */
export function judgedInstructions(
  where: string,
  groupings: readonly { readonly id: number; readonly secret: boolean }[],
  instructions: Instructions,
): Instructions {
  const wrong = (hint: string): IssuerDataProblem => new IssuerDataProblem(where, hint);
  const { order, groups, optional, random } = instructions;
  for (const [name, lists, least] of [
    ["ORDER", order, 2],
    ["GROUP", groups, 2],
    ["VERCNTL", [optional], 0],
    ["RANDOM", [random], 0],
  ] as const) {
    const ids = lists.flat();
    const strange = ids.find((id) => !groupings.some((one) => one.id === id));
    if (strange !== undefined)
      throw wrong(`${name} names grouping ${text(strange)}, which is not among the data`);
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) throw wrong(`${name} names grouping ${text(twice)} twice`);
    if (lists.some(({ length }) => length < least))
      throw wrong(`a list of ${name} has fewer than two groupings`);
  }
  const isSecret = (id: number): boolean => groupings.some((one) => one.id === id && one.secret);
  const sealed = random.find(isSecret);
  if (sealed !== undefined)
    throw wrong(
      `RANDOM names the secret grouping ${text(sealed)}: what comes under the transport key is whole, nobody adds to it`,
    );
  const passedBy = optional.find(isSecret);
  if (passedBy !== undefined)
    throw wrong(
      `VERCNTL names the secret grouping ${text(passedBy)}: a card that refused it would go out without its key or PIN, and nobody would ask; the issuer must take it out of VERCNTL`,
    );
  for (const group of groups) {
    if (new Set(group.map(isSecret)).size > 1)
      throw wrong(
        `GROUP puts secret and open groupings into one command (${group.map(text).join(", ")}): a command's are all encrypted or none`,
      );
    if (new Set(group.map((id) => optional.includes(id))).size > 1)
      throw wrong(
        `GROUP puts groupings that the card may refuse (VERCNTL) beside others (${group.map(text).join(", ")}): they would be refused with them`,
      );
  }
  arranged(
    groupings.map(({ id }) => id),
    instructions,
    where,
  );
  return instructions;
}

/**
 * Commands in their order. By identifier, but that each sequence of ORDER fills the places of its own groupings in its sequence, and that a
 * list of GROUP stands where the first of it would. A command that the card may refuse is never the last, which brings all into force.
 * Throws IssuerDataProblem when not everything can be kept.
 */
export function arranged(
  ids: readonly number[],
  { order, groups, optional }: Pick<Instructions, "order" | "groups" | "optional">,
  where = "the instructions",
): readonly SentTogether[] {
  const wrong = (hint: string): IssuerDataProblem => new IssuerDataProblem(where, hint);
  const places = ids.toSorted((a, b) => a - b);
  for (const sequence of order) {
    const own = places.flatMap((id, at) => (sequence.includes(id) ? [at] : []));
    for (const [nth, at] of own.entries()) places[at] = sequence[nth] ?? 0;
  }
  const commands: SentTogether[] = [];
  for (const id of places) {
    const group = groups.find((one) => one.includes(id)) ?? [id];
    if (commands.some((one) => one.ids.includes(id))) continue;
    commands.push({ ids: group, optional: optional.includes(id) });
  }
  const last = commands.findLastIndex((one) => !one.optional);
  const [final] = last < 0 ? [] : commands.splice(last, 1);
  if (final !== undefined) commands.push(final);
  else if (commands.length > 0)
    throw wrong(
      "VERCNTL lets the card refuse all groupings: none is left that would bring the others into force",
    );
  const sent = commands.flatMap((one) => one.ids);
  const broken = order.find((sequence) =>
    sequence.some((id, at) => at > 0 && sent.indexOf(id) < sent.indexOf(sequence[at - 1] ?? id)),
  );
  if (broken !== undefined)
    throw wrong(
      `the sequence ${broken.map(text).join(", ")} of ORDER cannot be kept together with GROUP and VERCNTL; the last command may be none that the card may refuse`,
    );
  return commands;
}
