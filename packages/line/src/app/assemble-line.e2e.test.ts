import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lineText, type Office, openOffice, Plant } from "./assembled.test.data.js";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.close());

const stock = `
  - lot: L1
    count: 30
    faults:
      - { blanks: { number: 3 }, fault: { kind: dead } }
      - { blanks: { number: 5 }, fault: { kind: rom-fault } }
      - { blanks: { number: 6 }, fault: { kind: torn-at, write: 1100 } }
`;

/** Stops thinking after `ms` of the world's time: commands under way were carried out, their answers are lost. */
async function killedAfter(plant: Plant, ms: number): Promise<boolean> {
  const { world, line } = plant.assembled;
  if (!("run" in world) || typeof world.run !== "function") throw new Error("not on virtual time");
  const run = world.run as (work: () => Promise<unknown>) => Promise<unknown>;
  const end = await run(() => Promise.race([line.run(), world.sleep(ms).then(() => "killed")]));
  plant.assembled.close();
  plant.next();
  return end === "killed";
}

test("real chips, any number of kills: cards are taken up where they were, none is lost or counted twice, none rejected for it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 50, max: 5000 }), { minLength: 1, maxLength: 10 }),
      async (kills) => {
        const plant = await Plant.open(office, lineText("virtual", stock), 6);
        for (const ms of kills) if (!(await killedAfter(plant, ms))) break;
        expect(await plant.run()).toMatchObject({ ended: "complete" });
        expect(plant.disagreements()).toEqual([]);
        expect(plant.rejects().sort()).toEqual([
          "L1-000003 electrical-test mute",
          "L1-000005 electrical-test rom-fault",
        ]);
        const totals = await plant.accounts.totals();
        expect(totals).toMatchObject({ good: 6, inProcess: 0, held: 0, rejected: 2 });
        plant.close();
      },
    ),
    { numRuns: 25 },
  );
});
