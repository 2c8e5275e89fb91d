/** Orders that were taken in before there were lists go on; nothing of theirs goes into another order's cards. */
import type { KeyRef, SealedSecrets, Serial } from "@persoline/card/program";
import { expect, test } from "vitest";
import { Keyring } from "./keyring.js";
import type { StoredKey } from "./keystore.js";
import { listed, policyDigest } from "./order-policy.js";
import { seal } from "./seal.js";
import { sealingAlone } from "./seal.test.data.js";
import { vaultCalls } from "./vault-core.js";

const sealing = Uint8Array.from({ length: 32 }, (_, at) => 3 * at + 1);
const stored = (name: string, use: string, value: Uint8Array, environment: "test" | "live") =>
  ({
    name: name as KeyRef,
    use,
    algorithm: value.length === 32 ? "AES-256" : "AES-128",
    environment,
    published: false,
    value,
  }) as StoredKey;
const module = (environment: "test" | "live" = "test") =>
  vaultCalls(
    new Keyring(environment, [
      stored("store-seal", "seal", sealing, environment),
      stored("fab", "scp03", sealing.slice(16), environment),
    ]),
  );

const order = "B-1";
const policy = ["PIN pin of 4 digits: drawn"];
const digits = Uint8Array.from([0x31, 0x32, 0x33, 0x34]);
/** As versions before sealed them. */
const before = {
  key: seal(sealingAlone(sealing), { purpose: "data-key", order }, new Uint8Array(32).fill(9)),
  pin: seal(sealingAlone(sealing), { purpose: "pin", order, record: 1, name: "pin" }, digits),
};
const opening = (calls: ReturnType<typeof module>, pin: Uint8Array) => () => {
  const secrets: SealedSecrets = { order, record: 1, pins: { pin } };
  const channel = { protocol: "scp03", keys: "fab" as KeyRef, kvn: 1, level: 1 } as const;
  return calls.openSession({ channel, serial: "504C0102030400000042" as Serial, secrets });
};

test("an order of before is opened with its list, and its own PINs go on; those that it draws now name the list", () => {
  const calls = module();
  expect(calls.releaseDataKey({ order, sealed: before.key, policy })).toEqual(new Uint8Array(32).fill(9));
  expect(opening(calls, before.pin)).not.toThrow();
  const drawn = calls.drawPin({ order, record: 1, name: "pin", length: 4 });
  expect(opening(calls, drawn)).not.toThrow();
  expect(() => calls.releaseDataKey({ order, sealed: before.key, policy: [] })).toThrow("another list");
});
test.each(["test", "live"] as const)(
  "%s: an order that is not open has no PIN made, whoever names it",
  (environment) => {
    const calls = module(environment);
    const by = { method: "trivial", digits: "1234" } as const;
    const ask = { order: "own", record: 1, name: "pin", length: 4 };
    for (const how of [{}, { by }])
      expect(() => calls.drawPin({ ...ask, ...how })).toThrow("order own is not open");
    // Its data key may be released for the store alone: it is no more open than before.
    if (environment === "test")
      calls.releaseDataKey({ order: "own", sealed: calls.createDataKey({ order: "own" }) });
    expect(() => calls.drawPin(ask)).toThrow("order own is not open");
  },
);
test("an order with a list takes no PIN of before, even of its own name", () => {
  const calls = module();
  const sealed = calls.createDataKey({ order, policy });
  calls.releaseDataKey({ order, sealed, policy });
  expect(opening(calls, before.pin)).toThrow("made under another list of places");
});
test("a seal whose form is another than it says, or none that is known, is damaged", () => {
  const calls = module();
  const sealed = calls.createDataKey({ order, policy });
  for (const form of [0, 1, 2, 4]) {
    const turned = sealed.slice();
    turned[0] = form;
    expect(() => calls.releaseDataKey({ order, sealed: turned, policy })).toThrow(
      "damaged or belongs elsewhere",
    );
  }
});
test("a list is the same in any order and with repetitions, and another one with any other sentence", () => {
  expect(policyDigest(["b", "a", "b"])).toBe(policyDigest(["a", "b"]));
  expect(listed(["b", "a", "b"])).toEqual(["a", "b"]);
  for (const other of [["a"], ["a", "b", "c"], ["a,b"], ["a\nb"]])
    expect(policyDigest(other)).not.toBe(policyDigest(["a", "b"]));
});
test("what is too long to be a list is refused", () => {
  const calls = module();
  for (const wrong of [Array.from({ length: 1025 }, (_, at) => `${at}`), ["x".repeat(513)]])
    expect(() => calls.createDataKey({ order, policy: wrong })).toThrow("too long");
});
