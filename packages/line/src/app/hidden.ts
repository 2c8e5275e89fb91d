/** A secret typed at the terminal, without being shown. */
import { OfficeRefusal } from "../devices/hsm/office/refusal.js";
import { typed } from "../devices/hsm/office/terminal.js";
import { Refusal } from "./problem.js";

/** `option`: what takes a file descriptor instead. Throws Refusal where there is no terminal, and when it is interrupted. */
export function hidden(question: string, option: string): string {
  try {
    return typed(question, `give a file descriptor with ${option}`);
  } catch (problem) {
    if (problem instanceof OfficeRefusal) throw new Refusal(problem.message);
    throw problem;
  }
}
