/** The vault's own process: keys are clear only here. */
import { makeKeystore, type Ceremony } from "./ceremony.js";
import { Keyring } from "./keyring.js";
import type { Unlock } from "./keystore.js";
import { openGuarded } from "./lock-out.js";
import { officeHead } from "./office/acts.js";
import { inForce } from "./office/lists.js";
import { selfTest } from "./self-test.js";
import { serve } from "./serve.js";
import { vaultCalls } from "./vault-core.js";

serve<Ceremony, Unlock>({
  make: (ceremony) => {
    selfTest();
    makeKeystore(ceremony);
  },
  open: (file, unlock) => {
    selfTest();
    const { environment, keys, book } = openGuarded(file, unlock);
    const ring = new Keyring(environment, keys);
    ring.office = officeHead(book.acts);
    ring.policies = inForce(book.lists);
    return vaultCalls(ring);
  },
});
