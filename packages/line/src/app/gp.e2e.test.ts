import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { makeVirtualCard, memoryStore } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { idealLine, persoline, root } from "./command.test.data.js";
import {
  allBlanks,
  exampleOrder,
  expectThreeInARow,
  rejectsOf,
  type Run,
  run,
} from "./produced.test.data.js";

const order = join(root, "examples/gp-access/order.yaml");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-gp-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("ten access cards on GlobalPlatform chips", () => {
  let ended: Run;
  beforeAll(() => {
    ended = run(order, idealLine(folder, "desk-ten"), join(folder, "data"));
  });

  test("are made; the planted bad chips are thrown out where they show, the torn one is taken up again", () => {
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(ended.made).toMatchObject({ order: "2026-310", produced: 10, held: 0, balanced: true });
    expect(rejectsOf(ended)).toEqual(["electrical-test: mute", "initialisation: card-cryptogram"]);
  });

  test("explain shows every APDU, the keys by name", () => {
    const { code, out } = persoline(["explain", order, "--record", "3"]);
    expect(code).toBe(0);
    expect(out).toContain("80 D8 00 81");
    expect(out).toContain("⟨key set gp-issuer as version 30⟩");
    expect(out).toContain("INSTALL [for personalization]");
  });

  test("are delivered, and gates know them", () => {
    const data = join(folder, "data");
    const { code, out } = persoline(["order", "deliver", "2026-310", "--by", "A", "--data", data]);
    expect(code).toBe(0);
    expect(out).toContain("Order 2026-310 is delivered; 10 cards are in the access register.");
  });

  test("plan knows their times", () => {
    const { code, out } = persoline(["plan", order, "--json"]);
    expect(code).toBe(0);
    expect((JSON.parse(out) as { cardsPerHour: number }).cardsPerHour).toBeGreaterThan(1000);
  });
});

/** On a copy of the card's memory: no try of the card itself is spent. */
function isPinOf(memory: Uint8Array, pin: string): boolean {
  const card = makeVirtualCard({
    eeprom: memoryStore(memory),
    random: (length) => new Uint8Array(length),
    crypto: nodeCrypto,
  });
  card.powerOn();
  card.transmit(unhex("00A4040008A00000087602010100"));
  const block = `26${pin}`.padEnd(16, "F");
  return hex(card.transmit(unhex(`0020008108${block}`)) ?? new Uint8Array(0)) === "9000";
}

describe("the same cards with a PIN", () => {
  test("get PIN letters, a remake a PIN and a letter of its own; the PIN in the letter opens the card", () => {
    const product = join(folder, "product.yaml");
    const text = readFileSync(join(root, "examples/products/gp-access/product.yaml"), "utf8");
    const pin = "pin: { method: drawn, application: access, length: 6, tries: 3, letter: true }";
    writeFileSync(product, `${text}\n${pin}\n`);
    const pinned = exampleOrder(folder, "gp-access", (asIs) =>
      asIs.replace(/product: .*/, `product: ${product}`),
    );
    // A chip that says it took its PIN, and did not, is found by the proof and made again.
    const line = idealLine(folder, "desk-ten", (file) =>
      file.replace(
        /faults:[\s\S]*$/,
        "faults:\n      - { blanks: { number: 3 }, fault: { kind: lying, ins: E2 } }\n",
      ),
    );
    const data = join(folder, "pins");
    const ended = run(pinned, line, data);
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(ended.made).toMatchObject({ produced: 10, blanks: { remade: 1 }, balanced: true });
    // The reject has no letter; there is one for each good card, and each card opens by the digits of one.
    const two = ["--by", "A", "--witness", "B"];
    const { order } = ended.made;
    expect(persoline(["letters", "release", order, ...two, "--data", data])).toMatchObject({ code: 0 });
    const letters = printedIn(join(data, "letter-printer.pem"), join(data, "letters"));
    expect(letters.size).toBe(10);
    const pins = [...letters.values()].map(pinIn);
    expect(new Set(pins).size).toBeGreaterThan(5);
    const opened = readdirSync(join(data, "shop-floor/good"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith("chip.eeprom"))
      .map((name) => {
        const memory = new Uint8Array(readFileSync(join(data, "shop-floor/good", name)));
        return pins.some((pin) => isPinOf(memory, pin));
      });
    expect(opened).toEqual(Array.from({ length: 10 }, () => true));
  });
});

describe("keys that are wrong", () => {
  test("three cards in a row stop the line after one question each; none has lost a try, none is called good", () => {
    const line = idealLine(folder, "desk-ten", allBlanks(16, "wrong-loader-key"));
    expectThreeInARow(run(order, line, join(folder, "wrong")));
    const bin = join(folder, "wrong/shop-floor/reject");
    const bodies = readdirSync(bin);
    expect(bodies).toHaveLength(3);
    for (const body of bodies) {
      // The counters' page pair was never written: no EXTERNAL AUTHENTICATE came.
      const memory = readFileSync(join(bin, body, "chip.eeprom"));
      expect(memory.subarray(0x01c0, 0x0240).every((byte) => byte === 0xff)).toBe(true);
    }
  });

  test("a key list that does not suit the product is told before anything is made", () => {
    const keys = join(folder, "keys.yaml");
    const text = readFileSync(join(root, "examples/keys/gp-test-keys.yaml"), "utf8");
    writeFileSync(keys, text.replace(", algorithm: AES-256", "").replace("use: application", "use: scp03"));
    const other = exampleOrder(folder, "gp-access", (asIs) => asIs.replace(/keys: .*/, `keys: ${keys}`));
    const { code, err } = persoline(["run", other, "--data", join(folder, "none")]);
    expect(code).toBe(1);
    expect(err).toContain("needs gp-issuer to be AES-256, and here it is AES-128");
    expect(err).toContain('needs a key access-app for "application"');
  });
});
