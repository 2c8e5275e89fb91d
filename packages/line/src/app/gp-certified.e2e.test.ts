import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { idealLine, persoline, root } from "./command.test.data.js";
import { exampleOrder, expectThreeInARow, rejectsOf, type Run, run } from "./produced.test.data.js";

const order = join(root, "examples/gp-certified/order.yaml");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-scp11-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("ten access cards on chips with a certified key pair (SCP11)", () => {
  let ended: Run;
  beforeAll(() => {
    ended = run(order, idealLine(folder, "desk-ten"), join(folder, "data"));
  });

  test("are made; a chip without its certificate's key is thrown out, the torn one is taken up again", () => {
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(ended.made).toMatchObject({ order: "2026-311", produced: 10, held: 0, balanced: true });
    expect(rejectsOf(ended)).toEqual(["electrical-test: mute", "initialisation: card-cryptogram"]);
  });

  test("explain shows the opening as it will be sent, and the keys by name", () => {
    const { code, out } = persoline(["explain", order, "--record", "3"]);
    expect(code).toBe(0);
    for (const text of [
      "00 CA BF 21 06 A6 04 83 02 11 03 00",
      "80 2A 01 10 ⟨certificate",
      "80 82 03 11 53 A6 0D 90 02 11 01 95 01 3C 80 01 88 81 01 10 5F 49 41",
      "⟨authority maker-authority⟩",
      "⟨key line-host⟩",
      "80 E4 00 00 06 D0 01 10 D2 01 01",
    ])
      expect(out).toContain(text);
  });

  test("keys list tells the point that is to be certified, and no private half", () => {
    const { code, out } = persoline(["keys", "list", "--json", "--data", join(folder, "data")]);
    expect(code).toBe(0);
    const { keys } = JSON.parse(out) as {
      readonly keys: readonly { readonly name: string; readonly publicKey?: string }[];
    };
    const host = keys.find(({ name }) => name === "line-host")?.publicKey ?? "";
    expect(readFileSync(join(root, "examples/products/gp-certified/product.yaml"), "utf8")).toContain(
      `B041${host}`,
    );
    expect(out).not.toContain(
      /line-host, .*published: "([0-9A-F]+)"/.exec(
        readFileSync(join(root, "examples/keys/gp-certified-test-keys.yaml"), "utf8"),
      )?.[1] ?? "none",
    );
  });

  test("plan knows their times", () => {
    const { code, out } = persoline(["plan", order, "--json"]);
    expect(code).toBe(0);
    expect((JSON.parse(out) as { cardsPerHour: number }).cardsPerHour).toBeGreaterThan(500);
  });
});

test("chips of another authority do not accept the line's certificate: three in a row stop the line after one attempt each", () => {
  const keys = join(folder, "keys.yaml");
  const text = readFileSync(join(root, "examples/keys/gp-certified-test-keys.yaml"), "utf8");
  const other = "7A1E5B0C".repeat(8);
  const line = idealLine(folder, "desk-ten", (desk) => desk.replace(/ {4}faults:[\s\S]*$/, ""));
  writeFileSync(
    keys,
    text.replace(/published: "[0-9A-F]{64}" }\n {2}# The line/, `published: "${other}" }\n  # The line`),
  );
  const orderFile = exampleOrder(folder, "gp-certified", (asIs) => asIs.replace(/keys: .*/, `keys: ${keys}`));
  // The line knows the other authority, and believes its chips; its own certificate is still the first one's.
  expectThreeInARow(run(orderFile, line, join(folder, "wrong")));
  const bin = join(folder, "wrong/shop-floor/reject");
  expect(readdirSync(bin)).toHaveLength(3);
});
