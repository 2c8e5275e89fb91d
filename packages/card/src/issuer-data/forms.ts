/** What both forms of a file have in common. */
import { hex, utf8 } from "../bytes/index.js";
import { judgedInstructions } from "./instructions.js";
import { IssuerDataProblem } from "./problem.js";
import type { FramedRecord, IssuerApplication, IssuerHead, IssuerRecord } from "./types.js";

export const mostRecords = 1_000_000;
/** A record of the binary form begins with it. */
export const recordMark = utf8("FFFFFFFA");

export interface FramedFile {
  readonly head: Uint8Array;
  readonly records: readonly FramedRecord[];
}

const keyName = /^[a-z][a-z0-9-]{0,31}$/;
const kcvForm = /^[0-9A-F]{6}$/;
const time = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const line = /^[^\p{C}\p{Zl}\p{Zp}]{1,80}$/u;

/** Form of each text of the head, in the file's order. */
export const headForms: readonly (readonly [name: Exclude<keyof IssuerHead, "records">, form: RegExp])[] = [
  ["file", /^[0-9A-F]{32}$/],
  ["order", /^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/],
  ["product", line],
  ["issuer", line],
  ["environment", /^(?:test|live)$/],
  ["created", time],
  ["expires", time],
  ["transportKey", keyName],
  ["transportKcv", kcvForm],
  ["macKey", keyName],
  ["macKcv", kcvForm],
];

export function judgedHead(head: IssuerHead): IssuerHead {
  if (head.records < 1 || head.records > mostRecords)
    throw new IssuerDataProblem(
      "head",
      `a file has 1 to ${String(mostRecords)} records, not ${String(head.records)}`,
    );
  return head;
}

export function judgedApplications(
  where: string,
  applications: readonly IssuerApplication[],
): IssuerApplication[] {
  const names = applications.map(({ aid }) => hex(aid));
  if (new Set(names).size !== names.length)
    throw new IssuerDataProblem(where, "an application is there twice");
  for (const { groupings } of applications)
    if (new Set(groupings.map(({ id }) => id)).size !== groupings.length)
      throw new IssuerDataProblem(where, "a data grouping is there twice");
  for (const { aid, groupings, instructions } of applications)
    judgedInstructions(`${where}, application ${hex(aid)}`, groupings, instructions);
  return [...applications];
}

/** The person's data: texts and lists of texts, by column. */
export function dataOf(where: string, value: unknown): IssuerRecord["data"] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new IssuerDataProblem(where, "the person's data are no object");
  const isText = (one: unknown): boolean =>
    typeof one === "string" || (Array.isArray(one) && one.every((item) => typeof item === "string"));
  if (!Object.values(value).every(isText))
    throw new IssuerDataProblem(where, "the person's data are texts and lists of texts, nothing else");
  return value as IssuerRecord["data"];
}
