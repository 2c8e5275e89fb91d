import type { KeyRef } from "@persoline/card/program";
import { beforeEach, describe, expect, test } from "vitest";
import { Keyring } from "../keyring.js";
import { OrderSecrets } from "../order-secrets.js";
import { memoryShelf } from "../order-shelf.js";
import type { StoredKey } from "../keystore.js";
import { policyDigest } from "../order-policy.js";
import { vaultCalls } from "../vault-core.js";
import { inForce } from "./lists.js";
import { ann, at, bob, type Desk, opened } from "./office.test.data.js";
import type { CeremonyRecord } from "./types.js";

const sentences = [
  "PIN pin of 4 digits: drawn",
  "PIN pin (3 tries) under DEK → A000000876020101, grouping 8281",
];
const digest = policyDigest(sentences);
const allow = { do: "allow", name: "gp-access", sentences } as const;
const forbid = { do: "forbid", name: digest.slice(0, 12), reason: "another application" } as const;

let desk: Desk;
let orders: OrderSecrets;
beforeEach(async () => {
  orders = new OrderSecrets(memoryShelf());
  desk = await opened("live");
});
/** The module as it would start now. */
const module = () => {
  const seal = {
    name: "store-seal" as KeyRef,
    use: "seal",
    algorithm: "AES-256",
    environment: "live",
    published: false,
    value: Buffer.alloc(32, 7),
  } as StoredKey;
  const ring = new Keyring("live", [seal]);
  ring.policies = inForce(desk.keep.book.lists);
  ring.orders = orders;
  return vaultCalls(ring);
};

describe("a list of what orders may have done with their secrets, in live", () => {
  test("is allowed by two custodians, not by one; the record tells every sentence of it", async () => {
    const policy = sentences;
    await desk.begin(allow);
    expect(() => module().createDataKey({ order: "A", policy })).toThrow("no two custodians have approved");
    await expect(desk.confirm(ann)).rejects.toThrow("it takes another custodian");
    await desk.confirm();
    const calls = module();
    const sealed = calls.createDataKey({ order: "A", policy: sentences.toReversed() });
    expect(calls.releaseDataKey({ order: "A", sealed, policy })).toHaveLength(32);
    expect(calls.capabilities().policies.approved).toEqual([{ name: "gp-access", digest }]);
    const record = JSON.parse(desk.keep.book.records.at(-1)?.text ?? "") as CeremonyRecord;
    expect(record.list).toEqual({ name: "gp-access", digest, sentences: sentences.toSorted() });
    expect(record.sittings.map(({ by }) => by)).toEqual([ann.name, bob.name]);
  });
  test("is shown whole to whoever says yes to it, before and after; it is asked for once", async () => {
    await desk.begin(allow);
    await expect(desk.begin(allow)).rejects.toThrow(
      `ceremony ${desk.last} (allow what orders of gp-access have done with their secrets) waits for the same already: "persoline keys confirm ${desk.last} --by NAME" goes on`,
    );
    await desk.confirm();
    for (const sentence of sentences) expect(desk.prompts.at(-1)).toContain(`\n  ${sentence}`);
    expect(desk.notes).toEqual(sentences.map((sentence) => `  ${sentence}`));
  });
  test("one sentence more is another list", async () => {
    await desk.both(allow);
    const policy = [...sentences, "PIN pin (3 tries) under DEK → A000000876020101, grouping 0101"];
    expect(() => module().createDataKey({ order: "A", policy })).toThrow("no two custodians have approved");
  });
  test("is forbidden again by two: an order that was opened with it puts no more secrets anywhere", async () => {
    await desk.both(allow);
    const policy = sentences;
    const sealed = module().createDataKey({ order: "A", policy });
    await desk.both(forbid);
    expect(() => module().releaseDataKey({ order: "A", sealed, policy })).toThrow("no two custodians");
    // Its data can still be read.
    expect(module().releaseDataKey({ order: "A", sealed })).toHaveLength(32);
    expect(desk.keep.book.lists).toMatchObject([{ digest, since: at, ended: at }]);
    await expect(desk.begin(forbid)).rejects.toThrow("no list in force begins with");
    await desk.both(allow);
    expect(module().releaseDataKey({ order: "A", sealed, policy })).toHaveLength(32);
  });
  test("what says nothing, or is allowed already, or means nothing is refused when it is asked for", async () => {
    await desk.both(allow);
    await expect(desk.begin(allow)).rejects.toThrow("is allowed already");
    await expect(desk.begin({ ...allow, sentences: [] })).rejects.toThrow("puts no secret anywhere");
    await expect(desk.begin({ ...forbid, name: digest.slice(0, 7) })).rejects.toThrow("eight digits or more");
    await expect(desk.begin({ ...forbid, reason: " " })).rejects.toThrow("say why");
  });
});
