import { describe, expect, test } from "vitest";
import { type Candidate, chooseReader, isSameDevice, parseReaderName } from "./names.js";

const named = (names: readonly string[]): Candidate[] => names.map((name) => ({ name }));

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
    chooseReader("head 1", { pcsc, ...more }, named(connected));

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
    expect(() => chooseReader("head 17", { pcsc: "Many", serial: "16" }, named(full))).toThrow(
      /takes no more/,
    );
  });

  describe("by USB port", () => {
    const twins: Candidate[] = [
      { name: "Twin 00 00", usb: { port: "1-2", path: "0000:00:14.0/2" } },
      { name: "Twin 01 00", usb: { port: "1-1.4", path: "0000:00:14.0/1.4" } },
      { name: "Twin 02 00", usb: "in use" },
      { name: "Twin 03 00" },
    ];
    const at = (usb: string, candidates = twins): string =>
      chooseReader("head 1", { pcsc: "Twin", usb }, candidates);

    test("the one that is plugged in there, by bus or by controller, whatever its index", () => {
      expect(at("1-1.4")).toBe("Twin 01 00");
      expect(at("0000:00:14.0/2")).toBe("Twin 00 00");
      const swapped: Candidate[] = [
        { name: "Twin 00 00", usb: { port: "1-1.4" } },
        { name: "Twin 01 00", usb: { port: "1-2" } },
      ];
      expect(at("1-1.4", swapped)).toBe("Twin 00 00");
    });

    test("contact units of one device are told apart by their last number alone, and never guessed", () => {
      expect(isSameDevice("Dual (A1) 00 00", "Dual (A1) 00 01")).toBe(true);
      expect(isSameDevice("Dual 00 00", "Dual 01 00")).toBe(false);
      expect(isSameDevice("Dual (A1) 00 00", "Dual (B2) 00 01")).toBe(false);
      const units = ["Dual 00 00", "Dual 00 01"].map((name) => ({ name, usb: { port: "1-2" } }));
      const ask = (slot?: number) => chooseReader("head 1", { pcsc: "Dual", usb: "1-2", slot }, units);
      expect(() => ask()).toThrow(/2 readers answer .* slot/);
      expect(ask(1)).toBe("Dual 00 01");
    });

    test("nobody there: says which ports have one, and which cannot be asked", () => {
      expect(() => at("1-3")).toThrow(
        /Twin at USB port 1-3 is not connected: .*"Twin 00 00" \(port 1-2\).*"Twin 02 00" \(in use by another program, so its port cannot be asked\), "Twin 03 00"/,
      );
    });

    test("another model at that port is not it", () => {
      expect(() =>
        chooseReader("head 1", { pcsc: "Other", usb: "1-2" }, [
          ...twins,
          { name: "Other 04 00", usb: { port: "1-3" } },
        ]),
      ).toThrow(/Other at USB port 1-2 is not connected/);
    });
  });
});
