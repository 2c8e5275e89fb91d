import type { CardProgram, Judge, KeyRef, Part, SecureChannelSpec } from "@persoline/card/program";
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
    ["keys-to-card-clear", "loader", "pin", "proof", "scp02", "scp03", "scp03-long", "shared-keys"].sort(),
  );
});

test("what is the issuer's judges proofs in the token as a key only, and only where it goes into cards from there", () => {
  const secret = { application: "A000000876020101", dgi: 0x8101, length: 16 };
  const asked = (judge: Judge) => {
    const one = segment("plain");
    const steps = one.steps.map((step) => ({ ...step, judge }));
    return [...operationsOf([program({ ...one, steps })], described)];
  };
  const own = { proof: "internal", issuer: secret, kid: 1 } as const;
  expect(asked(own)).toEqual(["issuer-data"]);
  expect(asked({ ...own, issuer: { ...secret, pad: 16 } })).toEqual(["issuer-data-clear"]);
  expect(asked({ ...own, issuer: { ...secret, length: 24 } })).toEqual(["issuer-data-clear"]);
  const grouping = { proof: "grouping", keys: keys("app"), kid: 1, id: 0x0301 } as const;
  expect(asked({ ...grouping, content: new Uint8Array(4) })).toEqual([]);
  expect(asked({ ...grouping, content: { ...secret, dgi: 0x0301 } })).toEqual(["issuer-data-clear"]);
});

test("keys are said to be wrapped where they are kept only in the forms and sessions in which a token wraps them", () => {
  const asked = (channel: SecureChannelSpec, part: Part) =>
    [...operationsOf([program(segment(channel, [part]))], described)].filter((operation) =>
      operation.startsWith("keys-to-card"),
    );
  const set = { secret: "key-set", keys: keys("short"), kvn: 1 } as const;
  const own = { secret: "key", keys: keys("app"), kid: 1, kvn: 1 } as const;
  const loader = { protocol: "loader", keys: keys("l") } as const;
  for (const [channel, part] of [
    [loader, set],
    [scp03("short"), set],
    [scp03("short"), { ...set, form: "aes-128", diversify: "kdf3" }],
    [scp03("short"), own],
    [scp03("short"), { secret: "wrapped-key", keys: keys("app"), kid: 1 }],
    [scp03("short"), { secret: "check-value", keys: keys("app"), kid: 1 }],
  ] as const)
    expect([part, asked(channel, part)]).toEqual([part, ["keys-to-card"]]);
  const scp02 = {
    protocol: "scp02",
    keys: keys("d"),
    kvn: 1,
    level: 1,
    i: 0x55,
    diversify: "visa2",
  } as const;
  const scp11 = {
    protocol: "scp11",
    variant: "b",
    kvn: 1,
    level: 0x33,
    keyLength: 16,
    authority: keys("ca"),
    subject: "any",
  } as const;
  const desfire = {
    protocol: "desfire",
    version: "ev2",
    aid: 1,
    keyNumber: 0,
    key: { keys: keys("short"), input: ["uid"] },
  } as const;
  for (const [channel, part] of [
    [loader, { ...set, keys: keys("long") }],
    [scp03("short"), { ...set, form: "aes-192" }],
    [scp03("short"), { ...set, form: "aes-256" }],
    [scp03("short"), { ...set, form: "3des", diversify: "visa2" }],
    [scp03("short"), { ...set, keys: keys("long") }],
    [scp03("short"), { ...set, diversify: "none" }],
    [scp03("long"), set],
    [scp03("long"), own],
    [{ ...scp03("short"), diversify: "none" } as SecureChannelSpec, own],
    [scp02, set],
    [scp02, own],
    [scp11, set],
    [scp11, { secret: "wrapped-key", keys: keys("app"), kid: 1 }],
    [desfire, { secret: "desfire-key", aid: 1, key: 1, version: 1, value: "random" }],
  ] as const)
    expect([channel, part, asked(channel, part)]).toEqual([channel, part, ["keys-to-card-clear"]]);
});

test("a DESFire session under the published key is told for what it is: an order that says nothing of it is refused", () => {
  const fresh = { protocol: "desfire", version: "ev2", aid: 1, keyNumber: 0, key: "default" } as const;
  const asked = operationsOf([program(segment(fresh, []))], described);
  expect([...asked]).toEqual(["desfire", "desfire-first-keys"]);
  const report = { provider: "vault", operations: probeProcess() } as CapabilityReport;
  const said = (level: "module-process" | "session-keys-in-host") =>
    unkept(asked, report, [{ "desfire-first-keys": level }]).map(({ operation }) => operation);
  expect(unkept(asked, report, []).map(({ operation }) => operation)).toEqual(["desfire-first-keys"]);
  expect(said("module-process")).toEqual(["desfire-first-keys"]);
  expect(said("session-keys-in-host")).toEqual([]);
});

test("payment cards ask for what their values are made with", () => {
  const part = (own: Extract<Part, { secret: "payment" }>["part"]): Part => ({
    secret: "payment",
    application: "F0",
    part: own,
    under: "dek",
  });
  const asked = (own: Extract<Part, { secret: "payment" }>["part"]) => [
    ...operationsOf([program(segment("plain", [part(own)]))], described),
  ];
  expect(asked({ secret: "emv-keys", length: 48 })).toEqual(["emv-keys"]);
  expect(asked({ secret: "emv-key-checks", length: 9 })).toEqual(["emv-keys"]);
  expect(asked({ secret: "emv-track2", length: 18 })).toEqual(["emv-keys", "pin"]);
  expect(asked({ secret: "emv-pin", length: 8 })).toEqual(["pin"]);
  expect(asked({ secret: "emv-icc-key", part: "p", length: 72 })).toEqual(["emv-rsa"]);
  expect(asked({ secret: "emv-icc-certificate", part: "certificate", length: 176 })).toEqual(["emv-issuer"]);
  expect(asked({ secret: "emv-static-signature", length: 176 })).toEqual(["emv-issuer"]);
});

test("an issuer's data are said to go from key to key only where they do", () => {
  const part = (more: object = {}): Part => ({
    secret: "issuer-dgi",
    application: "A0",
    dgi: 0x8101,
    length: 16,
    ...more,
  });
  const asked = (channel: SecureChannelSpec, one: Part, more: readonly object[] = []) =>
    [...operationsOf([program(segment(channel, [one]))], [...described, ...(more as typeof described)])].find(
      (operation) => operation.startsWith("issuer"),
    );
  const scp02 = {
    protocol: "scp02",
    keys: keys("d"),
    kvn: 1,
    level: 1,
    i: 0x55,
    diversify: "visa2",
  } as const;
  expect(asked(scp03("short"), part())).toBe("issuer-data");
  for (const [channel, one, more] of [
    [scp03("short"), part({ pad: 16 }), []],
    [scp03("short"), part({ length: 24 }), []],
    [scp03("long"), part(), []],
    [{ ...scp03("short"), diversify: "none" } as SecureChannelSpec, part(), []],
    [scp02, part(), []],
    [scp03("short"), part(), [{ ...described[0], name: "tk", use: "transport", algorithm: "3DES" }]],
  ] as const)
    expect(asked(channel, one, more)).toBe("issuer-data-clear");
});

test("the strictest of product, order and line counts; a named operation before the default; nothing said is module-process", () => {
  expect(wantedLevel("pin", [])).toBe("module-process");
  // The line works with it: nothing else would be true of any module.
  expect(wantedLevel("data-key", [undefined, { pin: "token" }])).toBe("trusted-host");
  expect(wantedLevel("data-key", [{ default: "module-process" }])).toBe("module-process");
  expect(wantedLevel("pin", [{ default: "token", pin: "trusted-host" }, undefined])).toBe("trusted-host");
  expect(wantedLevel("pin", [{ pin: "trusted-host" }, { default: "token" }])).toBe("token");
});

test("a level that is not kept is told with operation, wanted and kept level; a failed probe is no level at all", () => {
  const operations = probeProcess();
  const report: CapabilityReport = {
    policies: { approved: [], open: [] },
    office: { acts: 0, last: "0".repeat(64) },
    provider: "vault",
    environment: "test",
    iccKeys: [],
    swap: { state: "none", detail: "" },
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
    expect([operation, level, probed]).toEqual([
      operation,
      { "data-key": "trusted-host", "desfire-first-keys": "session-keys-in-host" }[operation] ??
        "module-process",
      true,
    ]);
});
