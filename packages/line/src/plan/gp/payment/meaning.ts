import { unhex } from "@persoline/card/bytes";
import type { Tell } from "../../../orders/yaml.js";
import type { GpProductFile } from "../schema.js";
import { proofTerminal } from "./terminal.js";

type ApplicationFile = GpProductFile["applications"][number];
const PSE: Readonly<Record<"contact" | "contactless", string>> = {
  contact: "315041592E5359532E4444463031",
  contactless: "325041592E5359532E4444463031",
};

/** What the schema cannot say of payment applications and their directories. */
export function checkPayment(product: GpProductFile, tell: Tell): void {
  const paying = product.applications.filter(({ payment }) => payment !== undefined);
  product.applications.forEach((one, at) => {
    const path = ["applications", at] as const;
    if (one.payment !== undefined) {
      if (one !== paying[0])
        tell(
          [...path, "payment"],
          "payment-twice",
          "a product has one payment application",
          "make two products",
        );
      checkOwn(one, [...path, "payment"], product, tell);
    }
    if (one.directory !== undefined) checkDirectory(one, path, paying.length > 0, tell);
    const kind = one.payment === undefined ? one.directory && "directory" : "payment";
    if (kind === undefined) return;
    for (const other of ["data", "keys", "issuer", "read", "load"] as const) {
      const written = one[other];
      if (written === undefined || Object.keys(written).length === 0) continue;
      tell(
        [...path, other],
        "payment-alone",
        `a ${kind} application gets its data from payment: alone`,
        `remove ${other}`,
      );
    }
    if (one.payment !== undefined && one.directory !== undefined)
      tell([...path, "directory"], "payment-alone", "an application is one of the two", "remove directory");
  });
}

function checkDirectory(
  { aid, directory = "contact" }: ApplicationFile,
  path: readonly (string | number)[],
  pays: boolean,
  tell: Tell,
): void {
  if (!pays)
    tell([...path, "directory"], "empty-directory", "there is no payment application to name", "add one");
  if (aid.toUpperCase() !== PSE[directory])
    tell(
      [...path, "aid"],
      "directory-name",
      `terminals look for this directory by another name (EMV Book 1, 12.2)`,
      `write ${PSE[directory]}`,
    );
}

function checkOwn(
  { payment }: ApplicationFile,
  path: readonly (string | number)[],
  product: GpProductFile,
  tell: Tell,
): void {
  if (payment === undefined) return;
  checkProof(payment, path, tell);
  checkFields(payment, path, product, tell);
  checkPin(payment, path, product, tell);
  checkUsage(payment, path, tell);
  const { lower, upper } = payment["offline-limits"];
  if (lower > upper)
    tell(
      [...path, "offline-limits"],
      "limits",
      "the lower limit is above the upper one",
      "turn them round, or raise the upper",
    );
}

type PaymentFile = NonNullable<ApplicationFile["payment"]>;

function checkProof(
  { proof, certificate, authority, keys }: PaymentFile,
  path: readonly (string | number)[],
  tell: Tell,
): void {
  const needed = { certificate, authority, "keys.issuer": keys.issuer };
  for (const [name, value] of Object.entries(needed)) {
    const where = [...path, ...(name === "keys.issuer" ? ["keys"] : [name])];
    if (proof !== "none" && value === undefined)
      tell(
        [...path, "proof"],
        "no-certificate",
        `proof ${proof} needs ${name}`,
        `name it, or write proof: none`,
      );
    if (proof === "none" && value !== undefined)
      tell(where, "certificate-unused", `with proof none nothing is signed`, `remove ${name}`);
  }
}

/** Each card is proved by a transaction that its issuer means it for. */
function checkUsage(payment: PaymentFile, path: readonly (string | number)[], tell: Tell): void {
  const usage = unhex(payment.usage);
  const data = { usage, country: payment.country, proof: payment.proof, cvm: { x: 0, y: 0, rules: [] } };
  if (proofTerminal(data) === undefined)
    tell(
      [...path, "usage"],
      "no-use",
      "with this application usage control (9F07) its cards may be used for nothing, at home or abroad",
      "set a bit for where (ATMs 02, elsewhere 01 of the first byte) and one for what, as in FF00",
    );
}

function checkFields(
  { fields }: PaymentFile,
  path: readonly (string | number)[],
  { person }: GpProductFile,
  tell: Tell,
): void {
  for (const [role, field] of Object.entries(fields)) {
    if (field === undefined) continue;
    const rules = person[field];
    const where = [...path, "fields", role];
    if (rules === undefined) {
      const known = `use one of ${Object.keys(person).join(", ")}`;
      tell(where, "unknown-field", `there is no field ${field}`, known);
      continue;
    }
    if (!rules.required || rules.list !== undefined || rules.type !== undefined)
      tell(
        ["person", field],
        "payment-field",
        `${field} is the ${role} of every card`,
        "write required: true, and neither type nor list",
      );
    // A remake counts the sequence number up: another record of the same PAN would meet it.
    if (role === "pan" && rules.unique !== true)
      tell(
        ["person", field],
        "payment-field",
        "two cards of one PAN would be one card",
        "write unique: true",
      );
  }
}

const HOW_TO_ADD = {
  digits: "add digits",
  block: "add block",
  // Until then they were derived under pvk, which thus had two purposes.
  keys: "add keys: the name of a key for ibm-3624. PINs that were derived under the key of PIN verification values (pvk) do not follow from it: have the issuer hand over the key its PINs are derived under",
} as const;

function checkPin(
  { pin }: PaymentFile,
  path: readonly (string | number)[],
  { person }: GpProductFile,
  tell: Tell,
): void {
  const { method, digits, block, letter, verification } = pin;
  const where = [...path, "pin"];
  if (verification === "offset" && (method === "trivial" || block?.format === 1))
    tell(
      [...where, "verification"],
      "pin-offset",
      `the offset of a PIN that ${method === "trivial" ? "everybody knows" : "came without its account (format 1)"} would tell the natural PIN, and with it the PIN that a holder chooses later`,
      "write verification: pvv",
    );
  if (method === "card")
    tell(
      [...where, "method"],
      "pin-method",
      "a payment card draws no PIN: its verification value stands in track 2, which is made before the card is asked, and this application has no command for it",
      "write drawn: the security module draws it then",
    );
  const wants = { digits: method === "trivial", block: method === "issuer", keys: method === "derived" };
  for (const [name, wanted] of Object.entries(wants) as ["digits" | "block" | "keys", boolean][]) {
    const there = pin[name] !== undefined;
    if (wanted && !there)
      tell([...where, "method"], "pin-method", `method ${method} needs ${name}`, HOW_TO_ADD[name]);
    if (!wanted && there)
      tell([...where, name], "pin-method", `method ${method} has no use for ${name}`, `remove ${name}`);
  }
  if (method === "trivial" && digits !== undefined && letter)
    tell(
      [...where, "letter"],
      "pin-letter",
      "a PIN that everybody knows needs no letter",
      "write letter: false",
    );
  if (block !== undefined && person[block.field] === undefined)
    tell(
      [...where, "block", "field"],
      "unknown-field",
      `there is no field ${block.field}`,
      `use one of ${Object.keys(person).join(", ")}`,
    );
}
