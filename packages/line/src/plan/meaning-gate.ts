/** What product files of foreign operating systems say of gates: `register` and `gate` go together, and `gate` names what is there. */
import type { Tell, YamlPath } from "../orders/yaml.js";
import { checkRegister } from "./meaning-person.js";
import type { ProductFile } from "./product-schema.js";

type Content = ProductFile["write"][string];
type Fields = Exclude<ProductFile["register"], "none" | undefined>;

/** The register's fields when all is there; a product without either opens no gates. */
export function checkGate(
  product: Pick<ProductFile, "register" | "person"> & { readonly gate?: unknown },
  tell: Tell,
): Fields | undefined {
  const { register, gate } = product;
  checkRegister(product, tell);
  const fields = register === "none" ? undefined : register;
  if ((fields === undefined) === (gate === undefined)) return fields;
  if (fields === undefined)
    tell(
      ["gate"],
      "no-register",
      "without `register:` no gate would know these cards",
      "say which fields the holders' names and rights are in, or leave gate: out",
    );
  else
    tell(
      ["register"],
      "no-gate",
      "without `gate:` no gate could read these cards",
      "say which application and key a gate uses, or leave register: out",
    );
  return undefined;
}

export const unknownPlace = (tell: Tell, path: YamlPath, name: string, known: readonly string[]): void =>
  tell(
    path,
    "unknown-place",
    `there is no ${name}`,
    `use one of ${known.length === 0 ? "those that you write first" : known.join(", ")}`,
  );

/** The holder's place has TLV objects. */
export function checkHolder(content: Content | undefined, path: YamlPath, tell: Tell): void {
  if (content === undefined || !("tlv" in content))
    tell(
      path,
      "no-objects",
      "a gate reads the holder's number and validity as TLV objects, and there are none",
      "name a place with tlv:, or leave it out",
    );
}
