/** The vault's own process: keys are clear only here. */
import { makeKeystore, mustBeNew } from "./ceremony.js";
import { Keyring } from "./keyring.js";
import { environmentOf, type Unlock } from "./keystore.js";
import { officeHead } from "./office/acts.js";
import { keystoreOffice } from "./office/keystore-office.js";
import { holdOffice } from "./office/hold.js";
import { inForce } from "./office/lists.js";
import type { OpenOffice } from "./office/room.js";
import { witnessed } from "./office/witness.js";
import { OrderSecrets } from "./order-secrets.js";
import { shelfOf } from "./order-shelf.js";
import { probeProcess } from "./probes.js";
import { selfTest } from "./self-test.js";
import { type Hear, serve } from "./serve.js";
import type { VaultCeremony, VaultUnlock } from "./vault-protocol.js";
import { mustStayInMemory, swapOf } from "./swap.js";
import { vaultCalls } from "./vault-core.js";

const opening = async (unlock: VaultUnlock, hear: Hear): Promise<Unlock> =>
  "keyFile" in unlock ? unlock : { passphrase: await hear(unlock.passphrase) };

serve<VaultCeremony, VaultUnlock>({
  survey: () => {
    selfTest();
    return Promise.resolve({ provider: "vault", operations: probeProcess(), swap: swapOf() });
  },
  make: async ({ unlock, ...ceremony }, { hear, swapAccepted }) => {
    selfTest();
    mustStayInMemory(ceremony.environment, swapAccepted);
    mustBeNew(ceremony.file);
    const opened = await opening(unlock, hear);
    const release = holdOffice(ceremony.file);
    try {
      makeKeystore({ ...ceremony, unlock: opened });
    } finally {
      release();
    }
  },
  open: async (file, unlock, { hear, hearOther, swapAccepted, deed }) => {
    selfTest();
    mustStayInMemory(environmentOf(file), swapAccepted);
    const opened = await opening(unlock, hear);
    // Whoever only reads keeps nobody away.
    const release = deed === undefined ? undefined : holdOffice(file);
    let office: OpenOffice | undefined;
    try {
      office = keystoreOffice(file, opened);
      const { environment, keys, book } =
        deed === undefined ? office.keep : await witnessed(office, deed, hearOther);
      const ring = new Keyring(environment, keys);
      ring.orders = new OrderSecrets(shelfOf(file));
      ring.lettersOf = deed?.order;
      ring.office = officeHead(book.acts);
      ring.policies = inForce(book.lists);
      return vaultCalls(ring);
    } finally {
      office?.close();
      release?.();
    }
  },
});
