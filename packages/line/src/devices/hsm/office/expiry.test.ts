/** What waits too long in the key office, and what the office tells of everything that was done or tried in it. */
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { expect, it } from "vitest";
import type { StoredKey } from "../keystore.js";
import { actBytes, brokenAct } from "./acts.js";
import { serve } from "./office.js";
import { brokenRecord } from "./record.js";
import { keystoreRoom } from "./room.js";
import {
  type Act,
  type CeremonyRecord,
  emptyBook,
  type Keep,
  type KeyAction,
  type OfficeAsk,
} from "./types.js";

const signing = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" });
const own = {
  name: "line-signature",
  use: "sign",
  algorithm: "Ed25519",
  environment: "test",
  published: false,
  value: signing,
} as unknown as StoredKey;
const component = "3F419E1CB7079442AA37474C2EFBF8B8";
const morning = "2027-03-01T08:00:00.000Z";

async function office() {
  let keep: Keep = { environment: "test", revision: 1, keys: [own], book: emptyBook };
  const ask = async (
    what: Exclude<OfficeAsk, { ask: "list" | "request" }>,
    {
      at = morning,
      passphrase = `${what.by}'s long passphrase`,
      patienceMs = 24 * 3_600_000,
      piece = component,
    } = {},
  ) => {
    const sat = await serve(what, {
      keep,
      counter: { ask: (kind) => (kind === "passphrase" ? passphrase : piece), hand: () => undefined },
      at,
      program: "test",
      costs: { memoryCost: 64, timeCost: 1 },
      patienceMs,
    });
    keep = { ...sat.keep, revision: keep.revision + 1 };
    return sat.refused?.message ?? "done";
  };
  for (const name of ["Ann", "Bob"]) await ask({ ask: "begin", action: { do: "custodian", name }, by: name });
  return {
    ask,
    keep: () => keep,
    acts: () => (keep.book.acts ?? []).map(({ text }) => JSON.parse(text) as Act),
  };
}

const bring: KeyAction = {
  do: "import",
  key: { name: "zmk", use: "key-block", algorithm: "AES-128" },
  form: "components",
  count: 2,
  kcv: "000000",
  method: "gp",
};
const first = { ask: "begin", action: bring, by: "Ann" } as const;

it("a ceremony waits a day; then its pieces are gone, and its record says that it expired", async () => {
  const { checkValue } = await import("./pieces.js");
  const pieceKcv = checkValue("AES-128", new Uint8Array(Buffer.from(component, "hex")), "gp");
  const { ask, keep, acts } = await office();
  expect(await ask({ ...first, pieceKcv })).toBe("done");
  expect(JSON.stringify(keep())).toContain(component);
  // Still there a second before its time is over, whoever comes in between.
  await ask({ ask: "confirm", number: "C-0009", by: "Bob" }, { at: "2027-03-02T07:59:59.000Z" });
  expect(keep().book.pending).toHaveLength(1);
  expect(
    await ask({ ask: "confirm", number: "C-0003", by: "Bob", pieceKcv }, { at: "2027-03-02T08:00:00.000Z" }),
  ).toContain("no ceremony C-0003 waits");
  expect(JSON.stringify(keep())).not.toContain(component);
  const { records } = keep().book;
  expect(JSON.parse(records.at(-1)?.text ?? "")).toMatchObject({
    number: "C-0003",
    ended: "expired",
    sittings: [{ by: "Ann" }],
    completed: "2027-03-02T08:00:00.000Z",
  } satisfies Partial<Record<keyof CeremonyRecord, unknown>>);
  expect(brokenRecord(records, keystoreRoom(keep().keys).signedBy)).toBeUndefined();
  expect(acts().map(({ who, what, result }) => [who, what, result])).toEqual([
    ["Ann", "ceremony.begin", "ok"],
    ["Bob", "ceremony.begin", "ok"],
    ["Ann", "ceremony.begin", "ok"],
    ["Bob", "ceremony.confirm", "refused"],
    ["key office", "ceremony.expire", "ok"],
    ["Bob", "ceremony.confirm", "refused"],
  ]);
  expect(JSON.stringify(acts())).not.toContain(component);
});

it("the time is a setting", async () => {
  const { ask, keep } = await office();
  const draw = {
    ask: "begin",
    action: { do: "generate", key: { name: "k", use: "scp03", algorithm: "AES-128" } },
    by: "Ann",
  } as const;
  await ask(draw);
  const late = { at: "2027-03-01T09:00:00.000Z", patienceMs: 3_600_000 };
  expect(await ask({ ask: "confirm", number: "C-0003", by: "Bob" }, late)).toContain("no ceremony C-0003");
  await ask(draw, late);
  expect(
    await ask({ ask: "confirm", number: "C-0004", by: "Bob" }, { ...late, at: "2027-03-01T09:59:59.000Z" }),
  ).toBe("done");
  expect(keep().keys.map(({ name }) => name)).toContain("k");
});

it("every act is told, also those that were refused, with what the office was before and after", async () => {
  const { ask, keep, acts } = await office();
  const draw = {
    ask: "begin",
    action: { do: "generate", key: { name: "k", use: "scp03", algorithm: "AES-128" } },
    by: "Ann",
  } as const;
  expect(await ask(draw, { passphrase: "not the passphrase" })).toContain("not the passphrase of Ann");
  await ask(draw);
  expect(await ask({ ask: "confirm", number: "C-0004", by: "Ann" })).toContain("another custodian");
  await ask({ ask: "confirm", number: "C-0004", by: "Bob" });
  await ask({
    ask: "begin",
    action: { do: "state", name: "k", state: "suspended", reason: "audit" },
    by: "Ann",
  });
  await ask({ ask: "cancel", number: "C-0005", by: "Bob" });
  const told = acts().slice(2);
  expect(told.map(({ who, what, object, result, left }) => [who, what, object, result, left])).toEqual([
    ["Ann", "ceremony.begin", "ceremony not begun: generate, key k", "refused", undefined],
    ["Ann", "ceremony.begin", "ceremony C-0004: generate, key k", "ok", 1],
    ["Ann", "ceremony.confirm", "ceremony C-0004: generate, key k", "refused", undefined],
    ["Bob", "ceremony.confirm", "ceremony C-0004: generate, key k", "ok", 0],
    ["Ann", "ceremony.begin", "ceremony C-0005: set suspended, key k", "ok", 1],
    ["Bob", "ceremony.cancel", "ceremony C-0005: set suspended, key k", "ok", 0],
  ]);
  // Nothing happens between the acts: each begins where the one before ended.
  const all = acts();
  expect(all.slice(1).map(({ before }) => before)).toEqual(all.slice(0, -1).map(({ after }) => after));
  expect(told[2]?.before).toBe(told[2]?.after);
  expect(told[3]?.before).not.toBe(told[3]?.after);
  expect(JSON.stringify(acts())).not.toContain('passphrase"');

  const { acts: signed = [] } = keep().book;
  const open = createPublicKey(keystoreRoom(keep().keys).signedBy);
  const by = (text: string, signature: Uint8Array) => verify(null, actBytes(text), open, signature);
  expect(await brokenAct(signed, by)).toBeUndefined();
  for (const [at, { text, signature }] of signed.entries()) {
    const altered = signed.with(at, { text: text.replace('"at"', '"At"'), signature });
    expect(await brokenAct(altered, by)).toContain(`act ${at + 1} of the key office was altered`);
  }
  // The last one is missed by the keys, which know how many there are.
  for (const at of signed.keys())
    expect((await brokenAct(signed.toSpliced(at, 1), by)) ?? "whole").toContain(
      at < signed.length - 1 ? `before act ${at + 1} ` : "whole",
    );
});
