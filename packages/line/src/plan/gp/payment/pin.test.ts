import { encodeCommand } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import {
  encipheredPinBlock4,
  naturalPin,
  pinBlock0,
  pinBlock1,
  pinBlock2,
  pinBlock3,
} from "@persoline/card/emv";
import { selectByAid } from "@persoline/card/iso7816";
import { nodeCrypto } from "@persoline/card/node";
import type { KeyRef } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { aid } from "@persoline/card/bytes";
import { openOrderNow } from "../../../devices/hsm/order.test.data.js";
import { pinSentence } from "../../../devices/hsm/order-policy.js";
import { recordProblems } from "../../prepare.js";
import { calls, ibmDigits, made, PaymentHead, pinKeyDigits, transportDigits } from "./life.test.data.js";
import { cardholder, offsetText, paymentText, plannedPayment } from "./payment.test.data.js";

const pan = "9999015156151849";
const withPin = (pin: string): string => paymentText.replace(/pin: \{ method: drawn.*\}/, `pin: { ${pin} }`);
const pinText = (digits: string): Uint8Array => Uint8Array.from(digits, Number);

/** What the finished card says to a PIN shown in plain. */
async function shows(
  text: string,
  digits: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<string> {
  const record = { ...cardholder, fields: { ...cardholder.fields, ...fields } };
  const head = await new PaymentHead(await made(text, {}, record)).until("end");
  head.power();
  head.card.transmit(encodeCommand(selectByAid(aid(unhex("F050534C501010")))));
  const verify = { cla: 0, ins: 0x20, p1: 0, p2: 0x80, data: pinBlock2(pinText(digits)) };
  return hex(head.card.transmit(encodeCommand(verify)) ?? unhex(""));
}

/** As an issuer enciphers it: one block of triple DES. */
function enciphered(block: Uint8Array): string {
  const cipher = nodeCrypto.des3(unhex(transportDigits));
  const bytes = cipher.encrypt(block);
  cipher.wipe();
  return hex(bytes);
}
const random = (length: number): Uint8Array => new Uint8Array(length).map((_, at) => 7 * at + 3);
const issuers = (format: number): string =>
  withPin(
    `method: issuer, block: { field: block, format: ${String(format)}, keys: ${format === 4 ? "pay-tk4" : "pay-tk"} }`,
  ).replace(
    "  name: { column: Embossed",
    "  block: { column: PIN block, required: true }\n  name: { column: Embossed",
  );

describe("a card's PIN is the one that its product says", () => {
  test("trivial: the same for all, without a letter", async () => {
    const text = withPin('method: trivial, digits: "4711", letter: false');
    expect(plannedPayment(text).pins).toMatchObject([{ length: 4, letter: false }]);
    expect(await shows(text, "4711")).toBe("9000");
    expect(await shows(text, "4712")).toBe("63C2");
  });
  test.each([4, 6])(
    "derived from the PAN under a key for that alone, %i digits (IBM 3624)",
    async (length) => {
      const natural = naturalPin(nodeCrypto, unhex(ibmDigits), {
        pan,
        length,
        form: { table: "0123456789012345", from: 3, to: 15, pad: "F" },
      });
      const text = withPin(`method: derived, keys: pay-ibm, length: ${String(length)}`);
      expect(await shows(text, natural.join(""))).toBe("9000");
      const other = pinText(natural.join("")).map((digit) => (digit + 1) % 10);
      expect(await shows(text, other.join(""))).toBe("63C2");
    },
  );
  test("derived under the key of PIN verification values: refused by product and module, which say what to do", () => {
    expect(() => plannedPayment(withPin("method: derived"))).toThrow(
      "add keys: the name of a key for ibm-3624",
    );
    const by = { method: "derived", keys: "pay-pvk" as KeyRef } as const;
    openOrderNow(calls, "1", [pinSentence({ name: "pin", length: 4, by })]);
    expect(() => calls.drawPin({ order: "1", record: 1, name: "pin", length: 4, by, pan })).toThrow(
      "key pay-pvk is for emv-pvk, not for ibm-3624: a key has one purpose",
    );
  });
  test.each([
    [0, enciphered(pinBlock0(pinText("2580"), pan))],
    [1, enciphered(pinBlock1(pinText("2580"), random))],
    [3, enciphered(pinBlock3(pinText("2580"), pan, random))],
    [4, hex(encipheredPinBlock4(nodeCrypto, unhex(pinKeyDigits), { pin: pinText("2580"), pan, random }))],
  ])("the issuer's, in a block of format %i", async (format, block) => {
    expect(await shows(issuers(format), "2580", { block })).toBe("9000");
    expect(await shows(issuers(format), "2581", { block })).toBe("63C2");
  });
  test("the issuer's, with its offset on stripe and chip in place of a verification value", async () => {
    const block = enciphered(pinBlock0(pinText("2580"), pan));
    const text = offsetText(issuers(0));
    expect(await shows(text, "2580", { block })).toBe("9000");
    expect(await shows(text, "2581", { block })).toBe("63C2");
  });
  test("an issuer's block of another PAN, another length or another key is refused before a card moves, without a digit", async () => {
    const refused = [
      enciphered(pinBlock0(pinText("2580"), "9999016092776517")),
      enciphered(pinBlock0(pinText("258013"), pan)),
      "0011223344556677",
    ];
    for (const block of refused) {
      const end = await made(issuers(0), {}, { ...cardholder, fields: { ...cardholder.fields, block } }).then(
        () => "made",
        (problem: unknown) => (problem instanceof Error ? problem.message : ""),
      );
      expect(end).toMatch(/PIN/);
      // The order's own name has digits enough.
      expect(end.replace(/^order \S+, record 3: /, "")).not.toMatch(/2580|\d{5}/);
    }
  });
  test("a cell that is no block is told with its column", () => {
    const where = { order: "1", file: "a.csv" };
    for (const [format, block] of [
      [0, "12 34"],
      [0, "00".repeat(16)],
      [4, "00".repeat(8)],
    ] as const) {
      const record = { ...cardholder, fields: { ...cardholder.fields, block } };
      expect(recordProblems(plannedPayment(issuers(format)), record, where)).toMatchObject([
        { column: "PIN block", code: "pin-block" },
      ]);
    }
  });
});
