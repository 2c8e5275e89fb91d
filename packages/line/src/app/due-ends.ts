/**
 * The ends of orders' secrets in the security module, and what the audit says of them. The accounts come first, so a process that ends in
 * between leaves secrets alive that are due: every command that opens the module looks for them, and nobody has to think of it.
 */
import type { Hsm } from "../devices/hsm/port.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";

type Module = Pick<Hsm, "endPins" | "endOrder">;
type Due = "endPins" | "endOrder";

const deeds = { endPins: "order.pins-destroyed", endOrder: "order.secrets-destroyed" } as const;

/** What the accounts say is to be destroyed; undefined: its cards are not handed over yet. */
const dueOf = ({ state, deliveredAt }: Pick<StoredOrder, "state" | "deliveredAt">): Due | undefined =>
  state === "erased" ? "endOrder" : deliveredAt === undefined ? undefined : "endPins";

const note = (order: string, due: Due, store: Store): Promise<void> =>
  store.audit.note({ what: deeds[due], object: `order ${order}`, order, result: "ok" });

/** Destroys all that is due, and enters it in the audit. Answers the orders of which something was left. */
export async function endDue(store: Store, hsm: Module): Promise<readonly string[]> {
  const ended: string[] = [];
  for (const stored of await store.orders.list()) {
    const due = dueOf(stored);
    const { order } = stored;
    if (due === undefined || (await hsm[due]({ order })) === "ended-before") continue;
    await note(order, due, store);
    ended.push(order);
  }
  return ended;
}

/** Destroys what is due of this order, whose accounts say so by now, and sees to it that the audit says so. Answers whether there was something left to do. */
export async function endSecrets(order: string, store: Store, hsm: Module): Promise<boolean> {
  const stored = await store.orders.find(order);
  const due = stored && dueOf(stored);
  if (due === undefined) return false;
  const wasLeft = (await hsm[due]({ order })) === "ended";
  // Destroyed by a process that ended before it could say so, or by a former version.
  const isSaid = !wasLeft && (await store.audit.tells({ what: deeds[due], order }));
  if (!isSaid) await note(order, due, store);
  return !isSaid;
}

/** In words, with what to do; nothing where the audit has it, or nothing is due. */
export async function notDestroyed(stored: StoredOrder, store: Store): Promise<string | undefined> {
  const due = dueOf(stored);
  const { order } = stored;
  if (due === undefined || (await store.audit.tells({ what: deeds[due], order }))) return undefined;
  return due === "endPins"
    ? `its PINs' secrets are not known to be destroyed yet: give "persoline order deliver ${order}" again`
    : `its secrets are not known to be destroyed yet: give "persoline order erase ${order}" again`;
}
