import { expect, test } from "vitest";
import { paymentText, plannedPayment, withProof } from "../plan/gp/payment/payment.test.data.js";
import { paymentOperations } from "./payment.js";

const asked = (text: string) => paymentOperations({ planned: plannedPayment(text) });
/** Their PINs come enciphered in the input. */
const issuers = paymentText
  .replace(
    /pin: \{ method: drawn.*\}/,
    "pin: { method: issuer, block: { field: block, format: 0, keys: tk } }",
  )
  .replace(
    "  name: { column: Embossed",
    "  block: { column: PIN block, required: true }\n  name: { column: Embossed",
  );

test("what payment cards need of a security module follows from their proof and where their PINs come from", () => {
  const always = ["emv-keys", "emv-cryptogram"];
  expect(asked(withProof(paymentText, "none"))).toEqual(always);
  expect(asked(withProof(paymentText, "sda"))).toEqual([...always, "emv-issuer"]);
  expect(asked(paymentText)).toEqual([...always, "emv-issuer", "emv-rsa"]);
  expect(asked(issuers)).toContain("issuer-data-clear");
});
