/** What gates need of an order's good cards, for the access register: from then on the cards open doors. */
import { fill } from "../plan/content.js";
import type { Product, RegisterFields } from "../plan/product.js";
import type { StoredOrder } from "../store/orders.js";
import type { NewHolder } from "../store/register.js";
import type { Store } from "../store/store.js";
import { Refusal } from "./problem.js";

/** Which fields go into the register; nothing when these cards open no gates. Throws Refusal when the product does not say. */
export function registerOf(
  { name, register }: Pick<Product, "name" | "register">,
  file: string,
): RegisterFields | undefined {
  if (register === undefined)
    throw new Refusal(
      `${file}: product ${name} does not say which fields its holders' names and zones are in, so no gate could know its cards: add "register: { name: FIELD, zones: FIELD }", or "register: none" for cards that open no gates`,
    );
  return register === "none" ? undefined : register;
}

/** The holders of all good cards of an order. The order's data key must be released. */
export async function holdersOf(
  store: Store,
  order: StoredOrder,
  product: { readonly roles: RegisterFields; readonly cardNumber: string },
): Promise<NewHolder[]> {
  const { roles } = product;
  const holders: NewHolder[] = [];
  for await (const { record, reference, status, serial } of store.reports.result(order.order)) {
    if (status !== "good" || serial === undefined) continue;
    const { fields } = await store.orders.record(order.order, record);
    const listed = (name: string | undefined): readonly string[] => {
      const value = name === undefined ? undefined : fields[name];
      return typeof value === "string" ? [value] : (value ?? []);
    };
    const text = (name: string | undefined): string => listed(name).join(", ");
    const [validFrom, validUntil] = [text(roles.validFrom), text(roles.validUntil)];
    holders.push({
      // A result row of a good card holds its chip number.
      serial: serial as NewHolder["serial"],
      order: order.order,
      reference,
      name: text(roles.name),
      department: text(roles.department),
      zones: listed(roles.zones),
      cardNumber: fill(product.cardNumber, { ...fields, order: order.order, record: String(record) }),
      ...(validFrom === "" ? {} : { validFrom }),
      ...(validUntil === "" ? {} : { validUntil }),
    });
  }
  return holders;
}
