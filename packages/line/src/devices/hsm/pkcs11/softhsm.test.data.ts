/** A SoftHSM 2 token of a test's own (Debian: softhsm2). */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TokenAccess } from "./token.js";

const library = "/usr/lib/softhsm/libsofthsm2.so";

export interface SoftToken {
  readonly access: TokenAccess;
  /** What the library must find in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The folder all its tokens lie in. */
  readonly folder: string;
}

/** Makes a token with this label in a folder of its own. */
export function softToken(home: string, label: string, pin = "624813"): SoftToken {
  const folder = join(home, "tokens");
  mkdirSync(folder, { recursive: true });
  const configuration = join(home, "softhsm2.conf");
  writeFileSync(
    configuration,
    `directories.tokendir = ${folder}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const environment = { SOFTHSM2_CONF: configuration };
  const words = ["--init-token", "--free", "--label", label, "--so-pin", "91357246", "--pin", pin];
  try {
    execFileSync("softhsm2-util", words, { env: { PATH: "/usr/bin:/bin", ...environment }, stdio: "pipe" });
  } catch (error) {
    throw new Error("this test needs SoftHSM 2 (Debian: apt-get install softhsm2)", { cause: error });
  }
  return { access: { library, label, pin }, environment, folder };
}
