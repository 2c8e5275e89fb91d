import { readFileSync } from "node:fs";
import { nodeCrypto } from "@persoline/card/node";
import type { OrderRecord } from "../../../orders/types.js";
import { problemText } from "../../../orders/yaml.js";
import { parseAnyProduct } from "../../product.js";
import { compileGp, type PlannedGp } from "../compile.js";
import { readScheme, type Scheme } from "./scheme.js";

/** The payment example, whole or with something changed. */
const example = (name: string): string =>
  readFileSync(new URL(`../../../../../../examples/products/payment/${name}`, import.meta.url), "utf8");
export const paymentText = example("product.yaml");
export const authority = { text: example("authority.yaml"), file: "authority.yaml" };
export const certificate = { text: example("issuer-certificate.yaml"), file: "issuer-certificate.yaml" };

/** The same for chips that know SCP02 only, and filled by the application's own channel. */
const overScp02 = (text: string): string =>
  text
    .replace(
      /^initial: .*$/m,
      'initial: { protocol: scp02, i: "55", level: "03", keys: gp-fab-des, version: "FF", diversify: visa2 }',
    )
    .replace(
      /^channel: .*$/m,
      'channel: { protocol: scp02, i: "55", level: "03", keys: gp-issuer-des, version: "20", diversify: emv-cps }',
    );
const byItself = (text: string): string =>
  text.replace("      stripe: true", "      stripe: true\n      personalized: application");
export const channelKinds = [
  ["SCP03", paymentText],
  ["SCP02", overScp02(paymentText)],
  ["SCP03, by the application's own channel", byItself(paymentText)],
  ["SCP02, by the application's own channel", byItself(overScp02(paymentText))],
] as const;
export const withProof = (text: string, proof: "none" | "sda" | "dda" | "cda"): string => {
  const changed = text.replace("proof: cda", `proof: ${proof}`);
  if (proof !== "none") return changed;
  return changed.replace(/ {6}(certificate|authority): .*\n/g, "").replace(", issuer: pay-rsa", "");
};

/** With an IBM 3624 offset in place of the PIN verification value. */
export const offsetText = (text: string): string =>
  text
    .replace("pin: { method", "pin: { verification: offset, method")
    .replace("pvk: pay-pvk", "pvk: pay-ibm");

export function schemeOf(text: string): Scheme | undefined {
  const read = parseAnyProduct(text, "product.yaml");
  if (!read.ok || read.product.kind !== "globalplatform") throw new Error("not read");
  const payment = read.product.applications.find((one) => one.payment !== undefined)?.payment;
  if (payment?.certificate === undefined) return undefined;
  const found = readScheme(nodeCrypto, { authority, certificate }, payment);
  if (!found.ok) throw new Error(found.problems.map(problemText).join("\n"));
  return found.scheme;
}

export function plannedPayment(text = paymentText): PlannedGp {
  const read = parseAnyProduct(text, "product.yaml");
  if (!read.ok) throw new Error(read.problems.map(problemText).join("\n"));
  if (read.product.kind !== "globalplatform") throw new Error("another card's product");
  return compileGp(read.product, new Map(), schemeOf(text));
}

export const cardholder: OrderRecord = {
  number: 3,
  row: 4,
  fields: {
    customer: "C-00003",
    pan: "9999015156151849",
    sequence: "01",
    expiry: "10/31",
    effective: "2611",
    name: "Example/Luca",
  },
  photos: {},
};
