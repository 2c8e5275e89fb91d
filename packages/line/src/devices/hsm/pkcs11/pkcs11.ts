/** The security module whose masters are in a PKCS#11 token. This side only carries messages; the token's library is loaded in a process of its own. */
import type { Hsm } from "../port.js";
import { hsmOf, ModuleClient, type ModuleProcess, type VaultOptions } from "../vault.js";
import type { TokenCeremony, TokenUnlock } from "./make.js";

export type { TokenCeremony, TokenUnlock } from "./make.js";

const file = new URL("../../../../dist/devices/hsm/pkcs11/pkcs11-process.js", import.meta.url);

export interface Pkcs11Options extends VaultOptions {
  /** What the token's library reads of the environment (where its configuration is); nothing else reaches its process. */
  readonly environment?: Readonly<Record<string, string>>;
}

const started = ({ environment = {}, ...options }: Pkcs11Options): ModuleClient => {
  const process: ModuleProcess = { device: "token", file, environment };
  return new ModuleClient(process, options);
};

/** Makes the keys inside the token, and the register of them. Throws KeystoreProblem, DeviceFault. */
export async function createTokenKeys(ceremony: TokenCeremony, options: Pkcs11Options = {}): Promise<void> {
  const client = started(options);
  try {
    await client.begin({ ask: "make", ceremony });
  } finally {
    await client.close();
  }
}

/** Opens the token and finds the keys of the register in it. Throws KeystoreProblem ("wrong-passphrase": its PIN), DeviceFault. */
export async function openToken(
  { file: register, unlock }: { readonly file: string; readonly unlock: TokenUnlock },
  options: Pkcs11Options = {},
): Promise<Hsm> {
  const client = started(options);
  try {
    await client.begin({ ask: "open", file: register, unlock });
  } catch (problem) {
    await client.close();
    throw problem;
  }
  return hsmOf(client, { name: "pkcs11", kind: "real" });
}
