/** Folders through which machines' own programs are told and answer. */
import { accessSync, constants, mkdirSync, readdirSync } from "node:fs";
import { DeviceFault } from "./problem.js";

/** What lies in the folder, which is made for its owner alone where there is none. Throws DeviceFault. */
export function namesIn(device: string, folder: string): readonly string[] {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return readdirSync(folder);
  } catch {
    throw new DeviceFault(
      device,
      "unplugged",
      `${device} cannot write into ${folder}: mend the folder or its share`,
    );
  }
}
