import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, idealLine, persoline, root } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

const order = join(root, "examples/gp-access/order.yaml");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-gp-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("ten access cards on GlobalPlatform chips", () => {
  let made: Produced;
  let ended: Ended;
  beforeAll(() => {
    ended = persoline([
      "run",
      order,
      "--line",
      idealLine(folder, "desk-ten"),
      "--json",
      "--data",
      join(folder, "data"),
    ]);
    made = JSON.parse(ended.out) as Produced;
  }, 120_000);

  test("are made; the planted bad chips are thrown out where they show, the torn one is taken up again", () => {
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(made).toMatchObject({ order: "2026-310", produced: 10, held: 0, balanced: true });
    expect(made.rejects.map(({ station, code }) => `${station}: ${code}`).sort()).toEqual([
      "electrical-test: mute",
      "initialisation: card-cryptogram",
    ]);
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

describe("keys that are wrong", () => {
  test("three cards in a row stop the line after one question each; none has lost a try, none is called good", () => {
    const line = idealLine(folder, "desk-ten", (text) =>
      text.replace(/faults:[\s\S]*$/, "faults:\n      - { blanks: 16, fault: { kind: wrong-loader-key } }\n"),
    );
    const { code, out, err } = persoline([
      "run",
      order,
      "--line",
      line,
      "--json",
      "--data",
      join(folder, "wrong"),
    ]);
    const made = JSON.parse(out) as Produced;
    expect(code).not.toBe(0);
    expect(made).toMatchObject({ produced: 0, balanced: true });
    expect(made.rejects.map(({ station, code: why }) => `${station}: ${why}`)).toEqual(
      Array.from({ length: 3 }, () => "initialisation: card-cryptogram"),
    );
    expect(err).toContain("do not know the key set");
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
    const orderFile = join(folder, "order.yaml");
    const asIs = readFileSync(order, "utf8").replaceAll(/\.\.\/(products|lines)/g, join(root, "examples/$1"));
    writeFileSync(
      orderFile,
      asIs
        .replace(/keys: .*/, `keys: ${keys}`)
        .replace("file: employees.csv", `file: ${join(root, "examples/gp-access/employees.csv")}`),
    );
    const { code, err } = persoline(["run", orderFile, "--data", join(folder, "none")]);
    expect(code).toBe(1);
    expect(err).toContain("needs gp-issuer to be AES-256, and here it is AES-128");
    expect(err).toContain('needs a key access-app for "application"');
  });
});
