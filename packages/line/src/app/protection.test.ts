import type { CardProgram, KeyRef, Part, SecureChannelSpec } from "@persoline/card/program";
import { expect, test } from "vitest";
import { type CapabilityReport, hsmOperations, protectionLevels } from "../devices/hsm/port.js";
import { probeProcess } from "../devices/hsm/probes.js";
import { securedOperations, securityLevels, wantedLevel } from "../orders/security.js";
import { operationsOf, unkept } from "./protection.js";

const keys = (name: string) => name as KeyRef;
const segment = (channel: "plain" | SecureChannelSpec, data: readonly Part[] = []) => ({
  name: "s",
  channel,
  steps: [{ data } as CardProgram["segments"][number]["steps"][number]],
});
const program = (...segments: ReturnType<typeof segment>[]): CardProgram => ({ name: "p", segments });
const scp03 = (name: string): SecureChannelSpec => ({
  protocol: "scp03",
  keys: keys(name),
  kvn: 1,
  level: 0x33,
});
const described = [
  { name: keys("long"), use: "scp03", algorithm: "AES-256", kcv: "", environment: "test", published: false },
  { name: keys("short"), use: "scp03", algorithm: "AES-128", kcv: "", environment: "test", published: false },
] as const;

test("files and modules speak of the same operations and levels", () => {
  expect(securedOperations.filter((name) => name !== "default")).toEqual(hsmOperations);
  expect(securityLevels).toEqual(protectionLevels);
});

test("what programs ask of a module follows from their channels and secrets", () => {
  const asked = operationsOf(
    [
      program(segment("plain"), segment({ protocol: "loader", keys: keys("l") })),
      program(segment(scp03("long")), segment(scp03("short"), [{ secret: "pin", pin: "pin", tries: 3 }])),
      program(
        segment({ protocol: "scp02", keys: keys("d"), kvn: 1, level: 1, i: 0x55, diversify: "none" }, [
          { secret: "challenge" },
          { secret: "key", keys: keys("a"), kid: 1, kvn: 1 },
          new Uint8Array(2),
        ]),
      ),
    ],
    described,
  );
  expect([...asked].sort()).toEqual(
    ["keys-to-card", "loader", "pin", "proof", "scp02", "scp03", "scp03-long", "shared-keys"].sort(),
  );
});

test("the strictest of product, order and line counts; a named operation before the default; nothing said is module-process", () => {
  expect(wantedLevel("pin", [])).toBe("module-process");
  expect(wantedLevel("pin", [{ default: "token", pin: "trusted-host" }, undefined])).toBe("trusted-host");
  expect(wantedLevel("pin", [{ pin: "trusted-host" }, { default: "token" }])).toBe("token");
});

test("a level that is not kept is told with operation, wanted and kept level; a failed probe is no level at all", () => {
  const operations = probeProcess();
  const report: CapabilityReport = {
    office: { acts: 0, last: "0".repeat(64) },
    provider: "vault",
    environment: "test",
    operations: { ...operations, gate: { level: "unavailable", probed: true, note: "no answer" } },
  };
  expect(unkept(["pin", "scp03"], report, [])).toEqual([]);
  const wrong = unkept(["pin", "scp03", "gate"], report, [{ scp03: "token", gate: "trusted-host" }]);
  expect(wrong.map(({ message }) => message)).toEqual([
    "scp03 must be kept at token, and vault keeps it at module-process",
    "gate must be kept at trusted-host, and vault cannot do it: no answer",
  ]);
});

test("every operation of the vault gives its known answer at start", () => {
  for (const [operation, { level, probed }] of Object.entries(probeProcess()))
    expect([operation, level, probed]).toEqual([operation, "module-process", true]);
});
