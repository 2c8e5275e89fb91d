/** The vault's own process: keys are clear only here. */
import { makeKeystore } from "./ceremony.js";
import { Keyring } from "./keyring.js";
import { environmentOf, type Unlock } from "./keystore.js";
import { openGuarded } from "./lock-out.js";
import { officeHead } from "./office/acts.js";
import { inForce } from "./office/lists.js";
import { selfTest } from "./self-test.js";
import { type Hear, serve } from "./serve.js";
import type { VaultCeremony, VaultUnlock } from "./vault-protocol.js";
import { mustStayInMemory } from "./swap.js";
import { vaultCalls } from "./vault-core.js";

const opening = async (unlock: VaultUnlock, hear: Hear): Promise<Unlock> =>
  "keyFile" in unlock ? unlock : { passphrase: await hear(unlock.passphrase) };

serve<VaultCeremony, VaultUnlock>({
  make: async ({ unlock, ...ceremony }, { hear, swapAccepted }) => {
    selfTest();
    mustStayInMemory(ceremony.environment, swapAccepted);
    makeKeystore({ ...ceremony, unlock: await opening(unlock, hear) });
  },
  open: async (file, unlock, { hear, swapAccepted }) => {
    selfTest();
    mustStayInMemory(environmentOf(file), swapAccepted);
    const { environment, keys, book } = openGuarded(file, await opening(unlock, hear));
    const ring = new Keyring(environment, keys);
    ring.office = officeHead(book.acts);
    ring.policies = inForce(book.lists);
    return vaultCalls(ring);
  },
});
