/** Test cards under a seed: whoever tests terminals gets the same cards each time, and others without it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { machineIn } from "../devices/hsm/machine.test.data.js";
import { openStripe } from "../devices/hsm/payment/stripe.js";
import { sealedStripeName } from "../plan/gp/payment/sealed.js";
import { openStore } from "../store/store.js";
import { persoline, root } from "./command.test.data.js";
import { paymentOrder } from "./payment.test.data.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-seed-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const people = 2;
/** Whoever wants the same cards elsewhere has the same masters there. */
const masters = {
  "pay-cvk": "40434546494A4C4F5152545758585B5D",
  "pay-pvk": "5E5D616267686B6D6E70737576797A7C",
};

/** What the cards of a whole order hold: ICC certificates with their remainders, stripes, and the PINs of the letters. */
async function cards(more: string): Promise<readonly (readonly string[])[]> {
  const own = mkdtempSync(join(folder, "own-"));
  const data = join(own, "data");
  const { order, line } = paymentOrder(own, { people, more });
  const keys = join(own, "keys.yaml");
  const known = readFileSync(join(root, "examples/keys/payment-test-keys.yaml"), "utf8");
  writeFileSync(
    keys,
    known.replaceAll(
      /name: (pay-[cp]vk), use: (\S+) }/g,
      (_, name: keyof typeof masters, use: string) =>
        `name: ${name}, use: ${use}, published: "${masters[name]}" }`,
    ),
  );
  writeFileSync(order, readFileSync(order, "utf8").replace(/keys: .*/, `keys: ${keys}`));
  expect(persoline(["run", order, "--line", line, "--data", data]).code).toBe(0);
  const two = ["--by", "A", "--witness", "B"];
  expect(persoline(["letters", "release", "P-1", ...two, "--data", data]).code).toBe(0);
  const letters = printedIn(join(data, "letter-printer.pem"), join(data, "letters"));
  const encoder = machineIn(join(data, "stripe-encoder.pem"));
  const good = join(data, "shop-floor/good/P-1");
  const store = await openStore({ file: join(data, "persoline.db") });
  const found: string[][] = [];
  for (let record = 1; record <= people; record++) {
    const sealed = (await store.orders.pins("P-1", record))[sealedStripeName("F050534C501010")];
    const { track2 } = openStripe(
      encoder,
      { order: "P-1", record },
      Buffer.from(sealed ?? []).toString("ascii"),
    );
    const body = readdirSync(good).find((one) => one.startsWith(String(record).padStart(6, "0"))) ?? "";
    const memory = readFileSync(join(good, body, "chip.eeprom"))
      .toString("hex")
      .toUpperCase();
    const at = memory.indexOf("9F4681B0");
    expect(at).toBeGreaterThan(0);
    found.push([
      memory.slice(at, at + 2 * (4 + 176 + 20)),
      track2,
      pinIn(letters.get(`L-000000${String(record)}`)),
    ]);
  }
  await store.close();
  return found;
}

test("the same seed, the same cards; another seed or none, others", async () => {
  const [one, again, other, chance] = [
    await cards("test-seed: terminal tests\n"),
    await cards("test-seed: terminal tests\n"),
    await cards("test-seed: other tests\n"),
    await cards(""),
  ];
  expect(again).toEqual(one);
  // Certificates of each card are its own; of PINs of four digits two might agree.
  const certificates = [one, other, chance].flatMap((all) => all.map(([certificate]) => certificate));
  expect(new Set(certificates).size).toBe(certificates.length);
  expect([one, other, chance].map((all) => all.map(([, ...rest]) => rest.join())).flat().length).toBe(6);
  expect(other).not.toEqual(one);
  expect(chance).not.toEqual(one);
}, 600_000);
