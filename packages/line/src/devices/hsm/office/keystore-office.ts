/** The key office of a keystore that is open. */
import { Keyring } from "../keyring.js";
import { wipeValues } from "../key-section.js";
import { sealKeystore, type Unlock } from "../keystore.js";
import { openGuarded } from "../lock-out.js";
import { keystoreRoom, type OpenOffice } from "./room.js";

/** Throws KeystoreProblem. */
export function keystoreOffice(file: string, opened: Unlock): OpenOffice {
  const keep = openGuarded(file, opened);
  let proving: Keyring | undefined;
  return {
    keep,
    room: keystoreRoom(keep.keys),
    write: (kept) => {
      sealKeystore(file, kept.environment, kept.keys, opened, kept);
    },
    describe: ({ environment, keys }) => {
      const ring = new Keyring(environment, keys);
      try {
        return ring.describe();
      } finally {
        ring.wipe();
      }
    },
    ring: () => (proving ??= new Keyring(keep.environment, keep.keys)),
    close: () => {
      proving?.wipe();
      wipeValues(keep.keys);
    },
  };
}
