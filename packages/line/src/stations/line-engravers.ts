/** The real engravers of a line file: how they are named, and what cannot be. */
import { z } from "zod";
import type { FileProblem, ReadYaml } from "../orders/yaml.js";
import { laserFormats, type LaserFormat } from "../plan/laser/settings.js";

const formats = Object.keys(laserFormats) as [LaserFormat, ...LaserFormat[]];

/** Engravers that take files, one a head, all of one kind. */
export const realEngraver = z.strictObject({
  settings: z.string().min(1).describe("The laser's file; relative to this one"),
  format: z.enum(formats).describe("What its program reads"),
  folder: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe("The folder its program watches, or one a head; relative to this file"),
  command: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      "Program and words that burn a file, {file} in place of its path: its end with 0 confirms the mark; without it NAME.done beside the job does",
    ),
  withinSeconds: z
    .number()
    .min(1)
    .max(3600)
    .default(60)
    .describe("So long a mark may take beyond its estimate"),
});

export interface EngraverFile {
  readonly settings: string;
  readonly format: LaserFormat;
  /** One a head. */
  readonly folders: readonly string[];
  readonly command?: readonly string[];
  readonly withinSeconds: number;
}

interface StationOfEngravers {
  readonly name: string;
  readonly heads: number;
  readonly engraver?: "simulated" | EngraverFile | undefined;
}

/** `at` makes a path absolute. */
export function engraverFile(
  read: "simulated" | z.output<typeof realEngraver>,
  at: (path: string) => string,
): "simulated" | EngraverFile {
  if (read === "simulated") return read;
  const { folder, settings, command, format, withinSeconds } = read;
  return {
    settings: at(settings),
    format,
    folders: [folder].flat().map(at),
    ...(command === undefined ? {} : { command }),
    withinSeconds,
  };
}

export function engraverProblems(
  read: ReadYaml<{ readonly transport: { readonly kind: string } }>,
  stations: readonly StationOfEngravers[],
): FileProblem[] {
  const problems: FileProblem[] = [];
  const folders = new Set<string>();
  for (const [at, { engraver, heads, name }] of stations.entries()) {
    if (engraver === undefined || engraver === "simulated") continue;
    const path = ["stations", at, "engraver"];
    const say = (code: string, message: string, remedy: string): void => {
      problems.push(read.problem(path, code, message, remedy));
    };
    if (engraver.folders.length !== heads)
      say(
        "heads-and-engravers",
        `${name} has ${String(heads)} heads and ${String(engraver.folders.length)} engravers`,
        "name one folder for each head",
      );
    if (
      engraver.folders.some((folder) => folders.has(folder)) ||
      new Set(engraver.folders).size < engraver.folders.length
    )
      say("folder-twice", "two engravers would take jobs from one folder", "give each a folder of its own");
    for (const folder of engraver.folders) folders.add(folder);
    if (engraver.command !== undefined && !engraver.command.some((word) => word.includes("{file}")))
      say("no-file", "the command is not told which file to burn", "write {file} where its path belongs");
    if (read.value.transport.kind !== "operator")
      say(
        "no-plastic",
        "the bodies of a simulated carousel are files: no laser can mark them",
        "use transport: { kind: operator }, or engraver: simulated",
      );
  }
  return problems;
}
