/** What a command ends with, and how a problem is told: what is wrong, where, what to do; no stack unless asked for. */
import { DeviceFault } from "../devices/problem.js";
import { OfficeRefusal } from "../devices/hsm/office/refusal.js";
import { KeystoreProblem } from "../devices/hsm/vault.js";
import { AccountsProblem } from "../ledger/problem.js";
import { ResultProblem } from "../ledger/result.js";
import { DataProblem } from "../orders/problem.js";
import { LaserProblem } from "../plan/laser/problem.js";
import { LayoutProblem } from "../plan/layout/problem.js";
import { StoreFault } from "../store/fault.js";
import { JournalFault } from "../store/journal.js";
import type { Refused } from "./answer.js";

/** 0 only when the work is whole. */
export const exitCode = { whole: 0, refused: 1, usage: 2 } as const;

/** A command was refused for a reason of its own. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** Words that do not go together, or lack one: how the command is used is what has to change. */
export class WrongUsage extends Refusal {}

const told = [
  DataProblem,
  LayoutProblem,
  LaserProblem,
  AccountsProblem,
  ResultProblem,
  StoreFault,
  JournalFault,
  DeviceFault,
  KeystoreProblem,
  OfficeRefusal,
  Refusal,
] as const;

/** The text for the terminal. */
export function problemText(problem: unknown, debug: boolean): string {
  if (!(problem instanceof Error)) return "something failed without saying why; run it again with --debug";
  if (debug) return problem.stack ?? problem.message;
  if (told.some((family) => problem instanceof family)) return problem.message;
  const code = "code" in problem && typeof problem.code === "string" ? problem.code : undefined;
  if (code === "ENOSPC") return "the disk is full: make room and run the same command again; nothing is lost";
  if (code === "EACCES" || code === "EROFS")
    return `${problem.message}: check the permissions of the data folder`;
  if (code === "ENOENT" && "path" in problem && typeof problem.path === "string")
    return `${problem.path} cannot be opened: there is no such file or folder; check the path`;
  return `this should not have happened: ${problem.message}. Run it again with --debug and report what it says`;
}

/** The same for programs. */
export function refusedAs(problem: unknown): Refused {
  const message = problemText(problem, false);
  const code = codeOf(problem);
  if (!(problem instanceof DataProblem)) return { code, message };
  const { problems, more } = problem;
  return { code, message, problems, ...(more > 0 ? { more } : {}) };
}

function codeOf(problem: unknown): string {
  if (problem instanceof WrongUsage) return "usage";
  if (!(problem instanceof Error)) return "unexpected";
  const code = "code" in problem && typeof problem.code === "string" ? problem.code : undefined;
  if (code === "ENOSPC") return "disk-full";
  if (code === "EACCES" || code === "EROFS") return "no-permission";
  if (code === "ENOENT") return "no-file";
  if (told.some((family) => problem instanceof family)) return code ?? "refused";
  return "unexpected";
}
