import type { Tell } from "../orders/yaml.js";
import type { ProductFile } from "./product-schema.js";

type Pin = Omit<NonNullable<ProductFile["pin"]>, "df">;

/** A PIN's method and what it needs. `noDrawing`: why these cards draw none. */
export function checkPinMethod(
  pin: Pin,
  { person, noDrawing }: { readonly person: Readonly<Record<string, unknown>>; readonly noDrawing?: string },
  tell: Tell,
): void {
  const { method, digits, block, letter, length } = pin;
  for (const [name, value, wanted] of [
    ["digits", digits, method === "trivial"],
    ["block", block, method === "issuer"],
  ] as const) {
    if (wanted && value === undefined)
      tell(["pin", "method"], "pin-method", `method ${method} needs ${name}`, `add ${name}`);
    if (!wanted && value !== undefined)
      tell(["pin", name], "pin-method", `method ${method} has no use for ${name}`, `remove ${name}`);
  }
  if (method === "card" && noDrawing !== undefined)
    tell(["pin", "method"], "pin-method", noDrawing, "write drawn: the security module draws it then");
  if (method === "trivial" && digits !== undefined) {
    if (digits.length !== length)
      tell(
        ["pin", "length"],
        "pin-length",
        `its digits are ${String(digits.length)}`,
        `write ${String(digits.length)}, or other digits`,
      );
    if (letter)
      tell(
        ["pin", "letter"],
        "pin-letter",
        "a PIN that everybody knows needs no letter",
        "write letter: false",
      );
  }
  if (block !== undefined && person[block.field] === undefined)
    tell(
      ["pin", "block", "field"],
      "unknown-field",
      `there is no field ${block.field}`,
      `use one of ${Object.keys(person).join(", ")}`,
    );
}
