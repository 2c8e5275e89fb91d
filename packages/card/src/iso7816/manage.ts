import type { Command } from "../apdu/index.js";
import { type Aid, type Fid, u16 } from "../bytes/index.js";
import { encodeFcp, type Fcp } from "./fcp.js";
import { selectByPath } from "./select.js";

/** A file for a management command, addressed as in SELECT; "current": the one selected. */
export type FileTarget =
  | "current"
  | { readonly fid: Fid }
  | { readonly name: Aid }
  | { readonly path: readonly Fid[] };

/**
 * ISO/IEC 7816-9: CREATE FILE. The new file becomes the current one. `template` 6F for cards that want it;
 * bytes are sent as they are.
 */
export function createFile(
  fcp: Fcp | Uint8Array,
  options: { readonly template?: 0x62 | 0x6f } = {},
): Command {
  const data = fcp instanceof Uint8Array ? fcp : encodeFcp(fcp, options.template);
  return { cla: 0x00, ins: 0xe0, p1: 0x00, p2: 0x00, data };
}

/** ISO/IEC 7816-9: DELETE FILE. */
export function deleteFile(target: FileTarget = "current"): Command {
  return manage(0xe4, target);
}

/** ISO/IEC 7816-9: DEACTIVATE FILE. */
export function deactivateFile(target: FileTarget = "current"): Command {
  return manage(0x04, target);
}

/** ISO/IEC 7816-9: ACTIVATE FILE. Access rules apply from here on. */
export function activateFile(target: FileTarget = "current"): Command {
  return manage(0x44, target);
}

/** ISO/IEC 7816-9: TERMINATE DF, for ever. */
export function terminateDf(target: FileTarget = "current"): Command {
  return manage(0xe6, target);
}

/** ISO/IEC 7816-9: TERMINATE EF, for ever. */
export function terminateEf(target: FileTarget = "current"): Command {
  return manage(0xe8, target);
}

/** ISO/IEC 7816-9: TERMINATE CARD USAGE, for ever. */
export function terminateCardUsage(): Command {
  return { cla: 0x00, ins: 0xfe, p1: 0x00, p2: 0x00 };
}

function manage(ins: number, target: FileTarget): Command {
  const header = { cla: 0x00, ins, p2: 0x00 };
  if (target === "current") return { ...header, p1: 0x00 };
  if ("fid" in target) return { ...header, p1: 0x00, data: u16(target.fid) };
  if ("name" in target) return { ...header, p1: 0x04, data: target.name };
  const { p1, data } = selectByPath(target.path, { answer: "none" });
  return { ...header, p1, ...(data === undefined ? {} : { data }) };
}
