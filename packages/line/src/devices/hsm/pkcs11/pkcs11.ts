/** The security module whose masters are in a PKCS#11 token. This side only carries messages; the token's library is loaded in a process of its own. */
import type { Hsm } from "../port.js";
import type { Witnessing } from "../office/witness.js";
import { handedOver, type Secret } from "../secret.js";
import {
  accepting,
  deedOver,
  hsmOf,
  type Making,
  ModuleClient,
  type ModuleProcess,
  type Survey,
  surveyed,
  type VaultOptions,
} from "../vault.js";
import type { TokenCeremony, TokenUnlock } from "./make.js";

export type { TokenCeremony, TokenUnlock } from "./make.js";

const file = new URL("../../../../dist/devices/hsm/pkcs11/pkcs11-process.js", import.meta.url);

export interface Pkcs11Options extends VaultOptions {
  /** What the token's library reads of the environment (where its configuration is); nothing else reaches its process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Whose PIN is read in the token's process, it is told so, and given the descriptor. */
function started(
  unlock: TokenUnlock,
  { environment = {}, ...options }: Pkcs11Options,
  custodianFds: readonly (number | undefined)[] = [],
) {
  const { secret, fd } = handedOver(unlock.pin);
  const process: ModuleProcess = { device: "token", file, environment, secretFd: fd, custodianFds };
  return { client: new ModuleClient(process, options), unlock: { ...unlock, pin: secret } };
}

/** Makes the keys inside the token, and the register of them. Throws KeystoreProblem, OfficeRefusal, DeviceFault. */
export async function createTokenKeys(ceremony: TokenCeremony, options: Pkcs11Options = {}): Promise<void> {
  const { client, unlock } = started(ceremony.unlock, options);
  try {
    await client.begin({ ask: "make", ceremony: { ...ceremony, unlock }, ...accepting(options) });
  } finally {
    await client.close();
  }
}

/** What this token can do, whether it has keys or not. Throws KeystoreProblem ("wrong-passphrase": its PIN), OfficeRefusal, DeviceFault. */
export function surveyToken(given: TokenUnlock, options: Pkcs11Options = {}): Promise<Survey> {
  const { client, unlock } = started(given, options);
  return surveyed(client, unlock);
}

/**
 * Opens the token and finds the keys of the register in it; `make`: makes them first, so that a PIN which can be read once opens both. Throws
 * KeystoreProblem ("wrong-passphrase": its PIN), OfficeRefusal, DeviceFault.
 */
export async function openToken(
  {
    file: register,
    unlock: given,
    make,
    deed,
  }: {
    readonly file: string;
    readonly unlock: TokenUnlock;
    readonly make?: Making<TokenCeremony> | undefined;
    readonly deed?: Witnessing<Secret> | undefined;
  },
  options: Pkcs11Options = {},
): Promise<Hsm> {
  const { told, custodianFds } = deedOver(deed);
  const { client, unlock } = started(given, options, custodianFds);
  try {
    const more = accepting(options);
    if (make !== undefined) {
      await make.judge?.(await client.survey(unlock));
      await client.begin({ ask: "make", ceremony: { ...make.ceremony, file: register, unlock }, ...more });
    }
    await client.begin({ ask: "open", file: register, unlock, ...more, ...told });
  } catch (problem) {
    await client.close();
    throw problem;
  }
  return hsmOf(client, { name: "pkcs11", kind: "real" });
}
