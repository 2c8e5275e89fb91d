import pkcs11js from "pkcs11js";
import { expect, test } from "vitest";
import { codeOf, wordsOf } from "./token-words.js";

test("an answer is told in words, with what to do, its name and the function that gave it", () => {
  expect(wordsOf(new pkcs11js.Pkcs11Error("CKR_DEVICE_MEMORY", 0x31, "C_CreateObject"))).toBe(
    "it has no room left: delete objects that nobody needs with the token's own tools (CKR_DEVICE_MEMORY of C_CreateObject)",
  );
});

test("what fails before a token was spoken to is the library's own configuration", () => {
  const words = (method: string) => wordsOf(new pkcs11js.Pkcs11Error("CKR_GENERAL_ERROR", 5, method));
  expect(words("C_Initialize")).toMatch(/^its library does not start: .*SOFTHSM2_CONF.*of C_Initialize\)$/);
  expect(words("C_Sign")).toMatch(/^it failed: /);
});

test("a function that is not told leaves no gap, and a maker's own answer is told as such", () => {
  const nameless = new pkcs11js.Pkcs11Error("CKR_OBJECT_HANDLE_INVALID", 0x82);
  expect(wordsOf(nameless)).toMatch(/^the object is not there any more.*\(CKR_OBJECT_HANDLE_INVALID\)$/);
  expect(wordsOf(new pkcs11js.Pkcs11Error("CKR_VENDOR_DEFINED:2147483649", 0x80000001, "C_Sign"))).toMatch(
    /the token's maker tells.*\(CKR_VENDOR_DEFINED of C_Sign\)$/,
  );
  expect(wordsOf(new TypeError("Argument has wrong type"))).toMatch(/\(no code\)$/);
  expect([codeOf(nameless), codeOf(new Error("no"))]).toEqual(["CKR_OBJECT_HANDLE_INVALID", undefined]);
});
