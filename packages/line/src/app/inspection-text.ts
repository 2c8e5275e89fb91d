/** An inspected card as people read it; what it refused to say takes one line. */
import { textTable } from "./commands/options.js";
import type { Inspected } from "./inspect.js";

export function inspectionText(title: string, found: Inspected): string {
  const { atr, facts, applications, files, missing, notAsked, otherCard, ended } = found;
  const told = facts.filter(({ state }) => state !== "refused");
  const refused = facts.filter(({ state }) => state === "refused").map(({ what }) => what);
  const blocks = [
    [title, ...atr.map((line) => `  ${line}`)].join("\n"),
    otherCard ?? "",
    told.length === 0 ? "" : rows(told.map(({ what, value }) => [what, value])),
    refused.length === 0 ? "" : `not answered: ${refused.join(", ")}`,
    applications.length === 0
      ? ""
      : textTable(
          ["application", "AID", "seen"],
          applications.map(({ aid, name, seen }) => [name || "unknown", aid, seen]),
        ),
    files.length === 0
      ? ""
      : textTable(
          ["file", "FID", "structure", "size", "life cycle"],
          files.map((one) => [one.path, one.fid, one.structure, one.size, one.lifeCycle]),
        ),
    missing.length === 0 ? "" : `looked for and not there: ${missing.join(", ")}`,
    notAsked === undefined ? "" : `not asked for: ${notAsked}`,
    ended === undefined ? "" : `the rest is missing: ${ended}`,
  ];
  return blocks.filter((block) => block !== "").join("\n\n");
}

const rows = (cells: readonly (readonly [string, string])[]): string => textTable(["", ""], cells).trim();
