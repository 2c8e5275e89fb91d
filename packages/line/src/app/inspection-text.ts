/** An inspected card as people read it. */
import { textTable } from "./commands/options.js";
import type { Inspection } from "./inspect.js";

export function inspectionText(title: string, { atr, facts, files }: Inspection): string {
  return [
    title,
    ...atr.map((line) => `  ${line}`),
    "",
    textTable(
      ["", ""],
      facts.map(({ what, value }) => [what, value]),
    ).trim(),
    ...(files.length === 0
      ? []
      : [
          "",
          textTable(
            ["file", "FID", "structure", "size", "life cycle"],
            files.map((one) => [one.path, one.fid, one.structure, one.size, one.lifeCycle]),
          ),
        ]),
  ].join("\n");
}
