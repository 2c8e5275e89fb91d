/** One order on two lines whose readers speak with their cards character by character, T=0 here and T=1 there: equal results. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { snapshot, memoryStore, compare } from "@persoline/card/virtual";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lineText, type Office, openOffice, Plant } from "./assembled.test.data.js";

/** Of the same chips with both protocols: TD1 names T=0, TD2 T=1 (ISO/IEC 7816-3, 8.2.3). */
const bothOffered = (text: string): string =>
  text
    .replace("3B98968131FE45806650534C520100FF", "3B98968031FE45806650534C520100FE")
    .replace("3B9C968131FE458073B621006650534C4F010301", "3B9C968031FE458073B621006650534C4F010300");

const stock = `
  - lot: L1
    count: 12
    faults:
      - { blanks: { number: 3 }, fault: { kind: dead } }
      - { blanks: { number: 5 }, fault: { kind: mute-at, ins: "B0", nth: 1 } }
      - { blanks: { number: 6 }, fault: { kind: lying, ins: "D6" } }
`;

let office: Office;
let usual: Office;
beforeAll(async () => {
  office = await openOffice(bothOffered);
  usual = await openOffice();
});
afterAll(async () => {
  await office.close();
  await usual.close();
});

async function made(contacts: string) {
  const plant = await Plant.open(
    office,
    lineText("virtual", stock).replace("limits:", `${contacts}limits:`),
    6,
  );
  try {
    expect(await plant.run()).toMatchObject({ ended: "complete" });
    expect(plant.disagreements()).toEqual([]);
    const good = plant.assembled.floor
      .census()
      .filter(({ place }) => place.at === "good")
      .toSorted((a, b) => a.label.localeCompare(b.label));
    return {
      totals: await plant.accounts.totals(),
      rejects: plant.rejects(),
      good,
      chips: good.map(({ place }) => {
        const dir = plant.assembled.floor.bodyAt(place)?.dir ?? "";
        return new Uint8Array(readFileSync(join(dir, "chip.eeprom")));
      }),
      ms: plant.assembled.world.now(),
    };
  } finally {
    plant.close();
  }
}

/** Pages of the MF's and the DF's secrets (docs/card-os.md 5): each order draws its own PINs. */
const pins = [208, 209, 210, 211];

test("an order over T=0 and over T=1: the same good cards, rejects for the same reasons, equal files", async () => {
  const t0 = await made("contacts: t0\n");
  const t1 = await made("contacts: t1\n");
  const whole = await made("");
  expect(t0.rejects).toEqual(["L1-000003 electrical-test mute", "L1-000006 completion command-refused"]);
  for (const other of [t1, whole]) {
    expect(t0.rejects).toEqual(other.rejects);
    expect(t0.good).toEqual(other.good);
    expect(t0.chips).toHaveLength(6);
    expect(t0.totals).toEqual(other.totals);
    for (const [at, chip] of t0.chips.entries()) {
      const theirs = other.chips[at] ?? new Uint8Array(0);
      const found = compare(snapshot(memoryStore(chip)), snapshot(memoryStore(theirs)));
      expect(found.filter(({ page }) => !pins.includes(page)).map(({ words }) => words)).toEqual([]);
    }
  }
  // T=0 pays a procedure byte and a GET RESPONSE where T=1 pays its blocks' frames: not the same time, so not the same wire.
  expect(t0.ms).not.toBe(t1.ms);
});

test("a line that speaks T=0 refuses a product whose cards offer T=1 alone, before a card is fed", async () => {
  const text = lineText("virtual", stock).replace("limits:", "contacts: t0\nlimits:");
  await expect(Plant.open(usual, text, 1)).rejects.toThrow("offer T=1 only");
});
