import { expect, test } from "vitest";
import { hasAccountNumber } from "./account-number.js";

test.each([
  "4111111111111111",
  "4111 1111 1111 1111",
  "4111.1111.1111.1111",
  "4111  1111  1111  1111",
  "4111\u00A01111\u00A01111\u00A01111",
  "4111_1111_1111_1111",
  "4111,1111,1111,1111",
  "4111 / 1111 / 1111 / 1111",
  "4111–1111–1111–1111",
  "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
  "4111111111111111 12/26",
  "4111111111111111/1226",
  "41111111111111111226",
  "4111111111111111 26",
  "Ref 7 4111111111111111",
  "No. 0 4111111111111111",
  "４１１１１１１１１１１１１１１１",
  "371449635398431",
  "Ada Lovelace, 9999-0100-0000-0011",
  "card4111111111111111of Ada",
])("an account number is found in %j", (text) => {
  expect(hasAccountNumber(text)).toBe(true);
});

test.each([
  "",
  "Ada Lovelace",
  "12345678903",
  "411111111112",
  "Musterstraße 12-14, 10115 Berlin",
  "12 St James's Square, London SW1Y 4JH",
  "1600 Pennsylvania Avenue NW, Washington, DC 20500-0003",
  "Postfach 12 34 56, 8010 Graz",
  "〒100-8994 東京都千代田区丸の内2-7-2",
  "H.No. 8-2-293/82/A/1234, Road 10, Hyderabad 500033",
  "Apt 1204, 350 5th Ave, New York, NY 10118-0110",
  "Av. Paulista 1578, 01310-200 São Paulo",
  "Rua 12, 1578\n01310-200 12",
  "born 10.12.1815",
  // Telephone numbers with a right check digit by chance, as one in ten has.
  "+43 664 123 456 78",
  "+49 (0)30 1234 5674",
  "0043 664 1234 5671",
  "0049 30 12345678",
  "+1 202 555 0143",
  "(0664) 123 456 789 01",
  "01234 567 890 128",
])("none is found in %j", (text) => {
  expect(hasAccountNumber(text)).toBe(false);
});

test("telephone numbers of every length are passed over, whatever their digits", () => {
  for (let last = 0; last < 100; last++) {
    const tail = String(last).padStart(2, "0");
    expect(hasAccountNumber(`+43 664 1234567 ${tail}`)).toBe(false);
    expect(hasAccountNumber(`0043 664 1234567${tail}`)).toBe(false);
  }
});
