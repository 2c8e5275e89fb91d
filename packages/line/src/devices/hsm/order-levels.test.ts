/** The module judges the levels of an order's list itself: whoever has the line's process cannot talk it out of them. */
import { expect, test } from "vitest";
import type { KeyRef } from "@persoline/card/program";
import { Keyring } from "./keyring.js";
import { levelSentence, unkeptSentence } from "./order-levels.js";
import { OrderSecrets } from "./order-secrets.js";
import { memoryShelf } from "./order-shelf.js";
import { hsmOperations, type HsmOperation, type ProtectionLevel, protectionLevels } from "./port.js";
import { vaultCalls } from "./vault-core.js";

const sealing = Uint8Array.from({ length: 32 }, (_, at) => 5 * at + 1);
/** Both modules have the same. */
const orders = new OrderSecrets(memoryShelf());
const module = (level: ProtectionLevel | "unavailable") => {
  const stored = {
    name: "store-seal" as KeyRef,
    use: "seal",
    algorithm: "AES-256",
    environment: "test",
    published: false,
    value: sealing,
  } as const;
  const all = hsmOperations.map((operation) => [operation, { level, probed: true, note: "so it is" }]);
  const operations = Object.fromEntries(all) as Record<HsmOperation, { level: typeof level; probed: true }>;
  const ring = new Keyring("test", [stored]);
  ring.orders = orders;
  return vaultCalls(ring, { provider: "a module", operations });
};

test("a level suffices when it is as good or better; what cannot be done at all is at no level", () => {
  for (const wanted of protectionLevels)
    for (const level of [...protectionLevels, "unavailable"] as const) {
      const isKept =
        level !== "unavailable" && protectionLevels.indexOf(level) <= protectionLevels.indexOf(wanted);
      const told = unkeptSentence([levelSentence("pin", wanted)], { pin: { level } });
      expect([wanted, level, told === undefined]).toEqual([wanted, level, isKept]);
    }
});

test("a sentence about a level that is not understood is not kept; other sentences are not about levels", () => {
  const kept = { pin: { level: "token" } } as const;
  for (const strange of [
    "operation pin kept at home",
    "operation prophecy kept at token",
    "operation letter kept at token",
    "operation pin",
    "operation pin kept at token, or not",
  ])
    expect([strange, unkeptSentence([strange], kept)]).toEqual([strange, expect.any(String)]);
  expect(unkeptSentence(["PIN pin of 4 digits: drawn", "operation pin kept at token"], kept)).toBeUndefined();
});

test("an order whose list says more than the module keeps is neither taken in nor opened, also where another module took it in", () => {
  const policy = ["PIN pin of 4 digits: drawn", levelSentence("pin", "token")];
  const [token, process] = [module("token"), module("module-process")];
  const sealed = token.createDataKey({ order: "L-1", policy });
  expect(token.releaseDataKey({ order: "L-1", sealed, policy })).toHaveLength(32);
  const refused = "pin must be kept at token, and this module keeps it at module-process: so it is";
  expect(() => process.createDataKey({ order: "L-1", policy })).toThrow(refused);
  expect(() => process.releaseDataKey({ order: "L-1", sealed, policy })).toThrow(refused);
  // Left out, it is another list, and the order's key opens for none.
  expect(() => process.releaseDataKey({ order: "L-1", sealed, policy: policy.slice(0, 1) })).toThrow(
    "another list of places",
  );
  expect(process.capabilities().policies.open).toEqual([]);
});
