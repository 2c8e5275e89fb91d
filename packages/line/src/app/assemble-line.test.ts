import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MarkJob, Side } from "../devices/marker/port.js";
import { lineText, type Office, openOffice, Plant } from "./assembled.test.data.js";

/** So many full rows of a card's face at 300 dpi. */
function block(side: Side, rows: number): MarkJob {
  const [width, height] = [1011, 638];
  const bits = new Uint8Array(Math.ceil(width / 8) * height);
  bits.fill(0xff, 0, Math.ceil(width / 8) * rows);
  return { kind: "raster", side, dpi: 300, width, height, bits };
}

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.close());

describe("a line of virtual cards and the vault", () => {
  test("makes good cards, and throws out each bad blank where its fault shows", async () => {
    const faults = `
  - lot: L2026A
    count: 25
    faults:
      - { blanks: { number: 1 }, fault: { kind: dead } }
      - { blanks: { number: 2 }, fault: { kind: weak-page, page: 300 } }
      - { blanks: { number: 3 }, fault: { kind: rom-fault } }
      - { blanks: { number: 4 }, fault: { kind: bad-seat, times: 1 } }
      - { blanks: { number: 5 }, fault: { kind: wrong-loader-key } }
      - { blanks: { number: 6 }, fault: { kind: wrong-atr, atr: "3B00" } }
      - { blanks: { number: 7 }, fault: { kind: dies-at, ins: "B0", nth: 1 } }
      - { blanks: { number: 8 }, fault: { kind: mute-at, ins: "D6", nth: 3 } }
      - { blanks: { number: 9 }, fault: { kind: flips-back, page: 213 } } # the holder's file, which can be read
      - { blanks: { number: 10 }, fault: { kind: over-long, ins: "B0" } }
      - { blanks: { number: 11 }, fault: { kind: bad-mac, nth: 3 } }
      - { blanks: { number: 12 }, fault: { kind: ram-fault } }
      - { blanks: { number: 13 }, fault: { kind: flips-back, page: 221 } } # the credential, which cannot
`;
    const plant = await Plant.open(office, lineText("ideal", faults), 10);
    const result = await plant.run();
    expect(plant.rejects().sort()).toEqual([
      "L2026A-000001 electrical-test mute",
      "L2026A-000002 electrical-test eeprom-fault",
      "L2026A-000003 electrical-test rom-fault",
      "L2026A-000005 completion card-cryptogram",
      "L2026A-000007 chip-proof mute",
      "L2026A-000009 chip-proof wrong-answer",
      "L2026A-000010 chip-proof wrong-answer",
      "L2026A-000011 initialisation response-mac",
      "L2026A-000012 electrical-test ram-fault",
      "L2026A-000013 chip-proof proof-wrong",
    ]);
    expect(result).toMatchObject({
      ended: "complete",
      counts: { good: 10, rejected: 10, held: 1, remade: 4 },
    });
    expect(plant.disagreements()).toEqual([]);
    expect(plant.journal.notes).toEqual([]);
    plant.close();
  });

  test("on virtual time the same seed gives the same events, whatever the vault's real pace", async () => {
    const stock = "  - { lot: L1, count: 8, faults: [{ blanks: 2, fault: { kind: ram-fault } }] }";
    const [first, second] = [
      await Plant.open(office, lineText("virtual", stock), 5),
      await Plant.open(office, lineText("virtual", stock), 5),
    ];
    const result = await first.run();
    expect(result).toMatchObject({ ended: "complete", counts: { good: 5 } });
    expect(await second.run()).toEqual(result);
    expect(second.events).toEqual(first.events);
    first.close();
    second.close();
  });

  test("on virtual time a carousel of timed cards keeps the pace that the planner reckons, marking included", async () => {
    const records = 45;
    const text = `
line: pace
mode: virtual
seed: 7
transport: { kind: simulated-carousel, moveMs: 250 }
stations:
  - { name: electrical-test, heads: 1, reader: simulated }
  - { name: completion, heads: 1, queue: 4, reader: simulated }
  - { name: initialisation, heads: 1, queue: 4, reader: simulated }
  - { name: personalization, heads: 1, queue: 4, reader: simulated }
  - { name: chip-proof, heads: 1, queue: 4, reader: simulated }
  - { name: visual, heads: 2, queue: 4, reader: simulated, engraver: simulated }
  - { name: quality, heads: 1, queue: 4, reader: simulated, camera: simulated }
stock:
  - { lot: L1, count: ${String(records)} }
`;
    const plant = await Plant.open(office, text, records, [block("front", 300), block("back", 120)]);
    const planned = plant.planned();
    expect(planned.bottleneck).toBe("visual");
    const result = await plant.run();
    expect(result).toMatchObject({ ended: "complete", counts: { good: records } });
    const made = plant.events.filter(({ kind }) => kind === "good").map(({ at }) => at);
    // Until the line is full nobody is held up: the first ten say nothing of its pace.
    const [first = 0, last = 0] = [made[9], made.at(-1)];
    const cardsPerHour = ((made.length - 10) * 3_600_000) / (last - first);
    expect(cardsPerHour / planned.cardsPerHour).toBeGreaterThan(0.95);
    expect(cardsPerHour / planned.cardsPerHour).toBeLessThan(1.005);
    plant.close();
  });

  test("PINs that changed places are refused before their cards hear anything; put back, the order is finished", async () => {
    const plant = await Plant.open(office, lineText("ideal", "  - { lot: L1, count: 8 }"), 3);
    const { pins } = plant.accounts;
    const [first, second] = [pins.get(1) ?? {}, pins.get(2) ?? {}];
    pins.set(1, second).set(2, first);
    const result = await plant.run();
    expect(result).toMatchObject({ ended: "halted", counts: { rejected: 0 } });
    expect(result.detail).toMatch(/PIN "pin" of order 2026-117, record [12] is damaged or belongs elsewhere/);
    expect(plant.rejects()).toEqual([]);
    expect(plant.disagreements()).toEqual([]);
    pins.set(1, first).set(2, second);
    plant.assembled.close();
    plant.next();
    expect(await plant.run()).toMatchObject({ ended: "complete", counts: { rejected: 0 } });
    expect(await plant.accounts.totals()).toMatchObject({ good: 3, rejected: 0 });
    plant.close();
  });

  test("a personalised reject is ended under the issuer's keys, where it still answers", async () => {
    // UPDATE BINARY lies: what should lie in the holder's file does not, which the proof after personalization finds.
    const stock = `
  - { lot: L1, count: 8, faults: [{ blanks: { number: 2 }, fault: { kind: lying, ins: "DC" } }] }`;
    const plant = await Plant.open(office, lineText("ideal", stock), 3);
    expect(await plant.run()).toMatchObject({
      ended: "complete",
      counts: { good: 3, rejected: 1, remade: 1 },
    });
    const end = plant.accounts.ends.find(({ label }) => label === "L1-000002")?.end;
    expect(end).toMatchObject({ kind: "rejected", personalised: true, terminated: true });
    plant.close();
  });

  test("a bin that is nearly full stops the line while there is room for all that is in it, and rejects nobody", async () => {
    const text = lineText("virtual", "  - { lot: L1, count: 30 }");
    const plant = await Plant.open(
      office,
      text.replace("moveMs: 200", "moveMs: 200, bins: { good: 19 }"),
      25,
    );
    const first = await plant.run();
    // Fed were as many as the tray can take, and the line stood only when the last of them lay in its slot.
    expect(first).toMatchObject({ ended: "halted", counts: { fed: 19, good: 19, rejected: 0, held: 0 } });
    const { good } = first.counts;
    expect(first.detail).toMatch(
      /output tray holds 19 of 19 bodies: empty it, enter "persoline stock empty good", and run the same command again/,
    );
    expect(plant.disagreements()).toEqual([]);
    expect(await plant.accounts.totals()).toMatchObject({ good, inProcess: 0, inStock: 30 - good });
    expect(plant.assembled.floor.empty("good")).toBe(good);
    plant.assembled.close();
    plant.next();
    expect(await plant.run()).toMatchObject({
      ended: "complete",
      counts: { good: 25 - good, rejected: 0 },
    });
    expect(plant.disagreements()).toEqual([]);
    plant.close();
  });

  test("waits with feeding while what is in the machine may still make room in a bin", async () => {
    const stock = "  - { lot: L1, count: 60, faults: [{ blanks: 16, fault: { kind: dead } }] }";
    const text = lineText("virtual", stock);
    const plant = await Plant.open(
      office,
      text.replace("moveMs: 200", "moveMs: 200, bins: { reject: 19 }"),
      40,
    );
    const ran = await plant.run();
    expect(ran).toMatchObject({ ended: "complete", detail: "", counts: { good: 40, held: 0, restocked: 0 } });
    expect(ran.counts.rejected).toBeGreaterThan(12);
    expect(plant.disagreements()).toEqual([]);
    plant.close();
  });

  test("refuses to make live cards of virtual blanks", async () => {
    const plant = await Plant.open(office, lineText("ideal", "  - { lot: L1, count: 8 }"), 1);
    expect(() => {
      plant.next("live");
    }).toThrow("simulated");
    plant.close();
  });
});
