/** The pack of hostile cards (F17 to F27 of docs/requirements.md) on a line of real virtual cards and the real vault. */
import { hex, unhex } from "@persoline/card/bytes";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lineText, type Office, openOffice, Plant } from "./assembled.test.data.js";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.close());

/** Its fault in YAML, and where it must end: `held` is given back untouched. */
const pack: readonly (readonly [fault: string, end: string])[] = [
  ["{ kind: dead }", "electrical-test mute"], // F17
  ['{ kind: wrong-atr, atr: "3B9896" }', "electrical-test atr-malformed"], // F18: cut off
  [`{ kind: wrong-atr, atr: "3BFF${"96".repeat(60)}" }`, "electrical-test atr-malformed"], // F18: 62 bytes
  ['{ kind: wrong-atr, atr: "3B98968131FE45806650534C5201004F" }', "electrical-test atr-malformed"], // F18: TCK
  ['{ kind: endless-more, ins: "CA" }', "electrical-test protocol-error"], // F19
  ['{ kind: endless-length, ins: "CA" }', "electrical-test protocol-error"],
  ['{ kind: says, ins: "CA", answer: "9F10" }', "electrical-test protocol-error"],
  ['{ kind: says, ins: "CA", answer: "0000" }', "electrical-test protocol-error"],
  ['{ kind: says, ins: "CA", answer: "9000" }', "electrical-test protocol-error"],
  ['{ kind: says, ins: "CA", answer: "" }', "electrical-test mute"],
  ['{ kind: floods, ins: "CA", bytes: 300 }', "electrical-test mute"], // F20
  ['{ kind: floods, ins: "50", bytes: 70000 }', "completion mute"],
  ['{ kind: waits-for-ever, ins: "14" }', "electrical-test mute"], // F21
  ['{ kind: waits-for-ever, ins: "D6" }', "completion too-many-resumes"],
  ['{ kind: lying, ins: "DC" }', "chip-proof proof-wrong"], // F22
  ['{ kind: says, ins: "50", answer: "9000" }', "completion protocol-error"], // F23
  [`{ kind: says, ins: "50", answer: "${"00".repeat(42)}9000" }`, "completion wrong-chip-number"],
  ['{ kind: says, ins: "82", answer: "63C1" }', "completion command-refused"], // F24
  [`{ kind: says, ins: "CA", answer: "${"61".repeat(200)}9000" }`, "electrical-test protocol-error"], // F25
  ['{ kind: says, ins: "CA", answer: "CF84FFFFFFFF9000" }', "electrical-test protocol-error"],
  ['{ kind: says, ins: "CA", answer: "CF805053000000009000" }', "electrical-test protocol-error"], // indefinite
  ['{ kind: says, ins: "CA", answer: "CF0A1B5B324A1B5B33316D079000" }', "electrical-test wrong-chip-number"], // escapes
  ["{ kind: flips-back, page: 213 }", "chip-proof wrong-answer"], // F26
  ["{ kind: weak-random, how: constant }", "completion weak-challenge"], // F27
  ["{ kind: weak-random, how: counts }", "completion weak-challenge"],
];

const stock = (lot: string, good: number): string => `
  - lot: ${lot}
    count: ${String(pack.length + good)}
    faults:
${pack.map(([fault], at) => `      - { blanks: { number: ${String(at + 1)} }, fault: ${fault} }`).join("\n")}
`;

const text = (mode: string, lot: string): string =>
  lineText(mode, stock(lot, 8)).replace(
    "limits: { resumes: 100 }",
    "limits: { resumes: 2, rejectsInARow: 100, cryptogramsInARow: 100 }",
  );

describe("hostile cards", () => {
  test.each([
    ["whole APDUs", ""],
    ["T=1, character by character", "contacts: t1\n"],
  ])(
    "%s: each is thrown out where it shows, none is passed, and the good ones are made",
    async (_name, contacts) => {
      const plant = await Plant.open(office, `${text("virtual", "H1")}${contacts}`, 5);
      const result = await plant.run();
      const ends = new Map(
        plant.accounts.ends.map(({ label, end }) => [
          Number(label.slice(-6)),
          end.kind === "rejected" ? `${end.station} ${end.code}` : end.kind,
        ]),
      );
      const found = pack.map(([fault], at) => `${fault}: ${ends.get(at + 1) ?? "nothing"}`);
      // A line of characters hears what a card says as what it is on a line: some answers are silence there.
      const expected = pack.map(([fault, end]) => `${fault}: ${end}`);
      expect(found).toEqual(expected);
      expect(result).toMatchObject({ ended: "complete", counts: { good: 5 } });
      expect(plant.disagreements()).toEqual([]);
      plant.close();
    },
  );

  test("a blank whose loader key somebody has tried already is refused before anything is done to it", async () => {
    const plant = await Plant.open(office, lineText("ideal", "  - { lot: T1, count: 6 }"), 2);
    const body = plant.assembled.floor.find("T1-000002");
    const { card, eeprom } = plant.assembled.floor.loadCard(body?.dir ?? "");
    card.powerOn();
    card.transmit(unhex(`8050000010${"00".repeat(16)}00`));
    expect(hex(card.transmit(unhex(`8082000010${"00".repeat(16)}`)) ?? new Uint8Array(0))).toBe("63C2");
    card.powerOff();
    eeprom.close();
    expect(await plant.run()).toMatchObject({ ended: "complete", counts: { good: 2, rejected: 1 } });
    expect(plant.rejects()).toEqual(["T1-000002 electrical-test wrong-answer"]);
    plant.close();
  });
});
