/** A sealing key alone, as modules had it before orders had secrets of their own. */
import { OrderSecrets } from "./order-secrets.js";
import { memoryShelf } from "./order-shelf.js";
import type { SealKeys } from "./seal.js";

export const sealingAlone = (sealing: Uint8Array): SealKeys => ({
  sealing: () => sealing,
  orders: new OrderSecrets(memoryShelf()),
});
