import { describe, expect, test } from "vitest";
import { chooseReader, parseReaderName } from "./names.js";

describe("names of PC/SC readers", () => {
  test.each([
    ["Gemalto PC Twin Reader 00 00", "Gemalto PC Twin Reader", undefined, 0],
    ["Gemalto PC Twin Reader (5A3E3E1F) 03 00", "Gemalto PC Twin Reader", "5A3E3E1F", 0],
    [
      "HID Global OMNIKEY 5422 Smartcard Reader [OMNIKEY 5422CL] (KN0) 01 01",
      "HID Global OMNIKEY 5422 Smartcard Reader [OMNIKEY 5422CL]",
      "KN0",
      1,
    ],
    ["Virtual PCD", "Virtual PCD", undefined, undefined],
  ])("%s", (name, model, serial, slot) => {
    expect(parseReaderName(name)).toEqual({ model, serial, slot });
  });

  const connected = [
    "ACS ACR39U (A1) 00 00",
    "ACS ACR39U (B2) 01 00",
    "Twin 02 00",
    "Twin 02 01",
    "Lonely 03 00",
  ];
  const choose = (pcsc: string, more: { serial?: string; slot?: number } = {}): string =>
    chooseReader("head 1", { pcsc, ...more }, connected);

  test("by serial number, whatever the order they were plugged in", () => {
    expect(choose("ACS ACR39U", { serial: "B2" })).toBe("ACS ACR39U (B2) 01 00");
    expect(choose("ACS ACR39U (B2) 07 00")).toBe("ACS ACR39U (B2) 01 00");
  });
  test("by slot, and by name alone where there is one", () => {
    expect(choose("Twin", { slot: 1 })).toBe("Twin 02 01");
    expect(choose("Lonely")).toBe("Lonely 03 00");
  });
  test("refuses to guess between two", () => {
    expect(() => choose("ACS ACR39U")).toThrow(/2 readers answer .* add serial/);
  });
  test("says what is there when the right one is not, and that pcscd stops at sixteen", () => {
    expect(() => choose("ACS ACR39U", { serial: "C3" })).toThrow(
      /with the serial number C3 is not connected/,
    );
    const full = Array.from({ length: 16 }, (_, at) => `Many (${String(at)}) 00 00`);
    expect(() => chooseReader("head 17", { pcsc: "Many", serial: "16" }, full)).toThrow(/takes no more/);
  });
});
