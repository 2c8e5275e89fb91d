import { expect, test } from "vitest";
import { type MrzValues, mrzLines, nameLine } from "./mrz.js";
import { LayoutProblem } from "./problem.js";
import { checkDigit } from "./transliterate.js";

const field = { name: "mrz", place: { file: "back.yaml", line: 7, column: 5 } };
const specimen: MrzValues = {
  document: "I",
  state: "UTO",
  number: "D23145890",
  optional1: "",
  birth: "1974-08-12",
  sex: "F",
  expiry: "2012-04-15",
  nationality: "UTO",
  optional2: "",
  surname: "Eriksson",
  given: "Anna Maria",
};

test("the specimen of ICAO Doc 9303-5", () => {
  expect(mrzLines(specimen, field)).toEqual([
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
  ]);
});

test("a short number, and a man", () => {
  const values = {
    ...specimen,
    number: "AB12345",
    birth: "1980-01-01",
    sex: "M",
    expiry: "2030-12-31",
    surname: "Doe",
    given: "John",
  };
  expect(mrzLines(values, field)).toEqual([
    "I<UTOAB12345<<6<<<<<<<<<<<<<<<",
    "8001014M3012316UTO<<<<<<<<<<<2",
    "DOE<<JOHN<<<<<<<<<<<<<<<<<<<<<",
  ]);
});

test("a number of more than nine characters goes on in the optional data, with its check digit behind it", () => {
  const [first, second] = mrzLines({ ...specimen, number: "D23145890734", optional1: "X7" }, field);
  expect(first).toBe(`I<UTOD23145890<734${checkDigit("D23145890734")}<X7<<<<<<<<`);
  expect(first).toHaveLength(30);
  expect(second.slice(29)).toBe(
    checkDigit(first.slice(5, 30) + second.slice(0, 7) + second.slice(8, 15) + second.slice(18, 29)),
  );
});

test("national letters, apostrophes and hyphens", () => {
  expect(nameLine("D'Arc-Müller", "Jean Baptiste")).toBe("DARC<MUELLER<<JEAN<BAPTISTE<<<");
  expect(nameLine("Щукина", "Юлия")).toBe("SHCHUKINA<<IULIIA<<<<<<<<<<<<<");
  expect(nameLine("Παπαδοπούλου", "Ελένη")).toBe("PAPADOPOULOU<<ELENI<<<<<<<<<<<");
  expect(nameLine("Arkfreith", "")).toBe("ARKFREITH<<<<<<<<<<<<<<<<<<<<<");
});

test("names too long lose the last of the given names first, and never the mark between the two", () => {
  expect(nameLine("Bennelong Wooloomooloo", "Diana Elizabeth")).toBe("BENNELONG<WOOLOOMOOLOO<<DIANA<");
  expect(nameLine("Nilavadhanananda", "Chayapa Dejthamrong Krasuang")).toBe("NILAVADHANANANDA<<CHAYAPA<D<K<");
  const all = nameLine("Konstantinopolskaia Shcherbakova Dluga", "Aleksandra");
  expect(all).toMatch(/^[A-Z<]{27}<<A$/);
});

test.each([
  ["birth", { birth: "12.08.1974" }, "birth is not a date"],
  ["expiry", { expiry: "" }, "expiry is not a date"],
  ["sex", { sex: "female" }, "sex is M, F, X or nothing"],
  ["document", { document: "P" }, "begins with A, C or I"],
  ["state", { state: "UTOP" }, "state has 4 characters"],
  ["optional data", { optional2: "123456789012" }, "optional2 has 12 characters"],
  ["a number", { number: "" }, "no number"],
  ["a letter of no table", { surname: "רוזנברג" }, "no table of ICAO Doc 9303-3"],
])("%s", (_, change, message) => {
  const act = (): unknown => mrzLines({ ...specimen, ...change }, field);
  expect(act).toThrow(LayoutProblem);
  expect(act).toThrow(message);
  expect(act).toThrow(/^back\.yaml:7:5 mrz: /);
});

test("who has no known birthday or sex gets fillers", () => {
  const [, second] = mrzLines({ ...specimen, birth: "", sex: "X" }, field);
  expect(second.slice(0, 8)).toBe("<<<<<<0<");
});
