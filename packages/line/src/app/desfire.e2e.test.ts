import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { idealLine, persoline, root } from "./command.test.data.js";
import { allBlanks, expectThreeInARow, rejectsOf, type Run, run } from "./produced.test.data.js";

const order = join(root, "examples/desfire-access/order.yaml");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-desfire-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("twelve access cards on DESFire-style chips", () => {
  let ended: Run;
  const data = (): string => join(folder, "data");
  beforeAll(() => {
    ended = run(order, idealLine(folder, "desk-desfire"), data());
  });

  test("are made; bad chips are thrown out where they show, the torn one is taken up again", () => {
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(ended.made).toMatchObject({ order: "2026-320", produced: 12, held: 0, balanced: true });
    expect(rejectsOf(ended)).toEqual(["electrical-test: mute", "initialisation: memory-failure"]);
    // Serials are UIDs: 04, and seven bytes of them.
    for (const { serial } of ended.made.rejects) expect(serial).toMatch(/^04[0-9A-F]{12}$/);
  });

  test("explain shows every APDU, the keys by name", () => {
    const { code, out } = persoline(["explain", order, "--record", "3"]);
    expect(code).toBe(0);
    expect(out).toContain("90 CA 00 00 05 40 1C F5 0F 83 00");
    expect(out).toContain("⟨key desfire-picc, AN10922 of uid ‖ 000000 ‖ 4E4F52444B4149 as version 26⟩");
    expect(out).toContain("for ever: a random UID and no more formatting");
  });

  test("are delivered, and each row of the result names UID and generation", () => {
    const delivered = persoline(["order", "deliver", "2026-320", "--by", "A", "--data", data()]);
    expect(delivered.code).toBe(0);
    const { code } = persoline(["order", "result", "2026-320", "--data", data()]);
    expect(code).toBe(0);
    const rows = readFileSync(join(data(), "reports/2026-320/result.txt"), "utf8").split("\n");
    const good = rows.filter((row) => /\b04[0-9A-F]{12}\b/.test(row));
    expect(good).toHaveLength(12);
    for (const row of good) expect(row.split(/[;,\t|]/)).toContain(String(0x26));
  });

  test("plan knows their times", () => {
    const { code, out } = persoline(["plan", order, "--json"]);
    expect(code).toBe(0);
    expect((JSON.parse(out) as { cardsPerHour: number }).cardsPerHour).toBeGreaterThan(1000);
  });

  test("a supplier's list of UIDs is taken in, one of something else is not", () => {
    const list = join(folder, "delivery.csv");
    const receive = (serial: string) => {
      writeFileSync(list, `label,serial\nD2027B-000001,${serial}\n`);
      return persoline(["stock", "receive", "D2027B", list, "--by", "A", "--data", join(folder, "stock")]);
    };
    expect(receive("04A1B2C3D4E5F607")).toMatchObject({
      code: 1,
      err: expect.stringContaining("14") as string,
    });
    expect(receive("04A1B2C3D4E5F6")).toMatchObject({ code: 0, err: "" });
  });

  test("can be asked what they are, later, without their product", () => {
    const { code, out } = persoline(["card", "inspect", "D2026A-000001", "--data", data()]);
    expect(code).toBe(0);
    expect(out).toContain("ATR 3B8180018080");
    expect(out).toMatch(/DESFire version .*maker NXP \(04\), hardware 12\.00/);
  });
});

describe("keys that are wrong", () => {
  test("three cards in a row stop the line after one attempt each; none is written to, none is called good", () => {
    const line = idealLine(folder, "desk-desfire", allBlanks(18, "wrong-loader-key"));
    const stopped = run(order, line, join(folder, "wrong"));
    expectThreeInARow(stopped);
    expect(stopped.made.rejects[0]?.reason).toContain("91AE");
    const bin = join(stopped.data, "shop-floor/reject");
    for (const body of readdirSync(bin)) {
      const memory = readFileSync(join(bin, body, "chip.eeprom"));
      // Behind the card's own pages nothing was ever written.
      expect(memory.subarray(5 * 64).every((byte) => byte === 0xff)).toBe(true);
    }
  });
});
