/** An issuer's file for commands that only tell what would be done: proved by the security module before a byte of it is read. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isIssuerInput, type ProvedIssuerFile } from "../orders/input.js";
import { passphrase, type UnlockOptions } from "./commands/options.js";
import { dataRoot } from "./config.js";
import { dataFolder } from "./data-folder.js";
import { proveIssuerInput } from "./issuer-file.js";
import type { Job } from "./job.js";
import { openSecurityModule } from "./key-file.js";

/** Nothing for other inputs. Throws DataProblem, KeystoreProblem, DeviceFault, Refusal. */
export async function provedInput(
  job: Job,
  options: UnlockOptions & { readonly data?: string },
): Promise<ProvedIssuerFile | undefined> {
  const { order } = job;
  if (!isIssuerInput(order.input)) return undefined;
  const root = dataRoot(options.data);
  const unlocking = passphrase(options);
  const file = unlocking !== undefined && "token" in unlocking ? "token-keys.json" : "keystore.json";
  if (existsSync(join(root, file)) || order.environment === "live" || unlocking !== undefined)
    return proved(root);
  // Nothing is made in passing: practice keys that everybody may know prove the file from a keystore that goes again.
  const passing = mkdtempSync(join(tmpdir(), "persoline-explain-"));
  try {
    return await proved(passing);
  } finally {
    rmSync(passing, { recursive: true });
  }

  async function proved(folder: string): Promise<ProvedIssuerFile | undefined> {
    const hsm = await openSecurityModule(dataFolder(folder), order.keys, unlocking);
    try {
      return await proveIssuerInput({ job, hsm, now: Date.now() });
    } finally {
      await hsm.close();
    }
  }
}
