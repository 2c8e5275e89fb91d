import { randomBytes } from "node:crypto";
import { type Command, decodeResponse, encodeCommand, type Response } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import {
  createApplication,
  createFile,
  getCardUid,
  getKeyVersion,
  type NativeCommand,
  readData,
  writeData,
} from "@persoline/card/desfire";
import { nodeCrypto } from "@persoline/card/node";
import type {
  DesfireKey,
  KeyRef,
  Part,
  SecureChannelSpec,
  SecureStep,
  Serial,
} from "@persoline/card/program";
import { fabricateDesfire, makeDesfireCard, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { describe, expect, test } from "vitest";
import { Keyring } from "./keyring.js";
import { openOrderNow, placesOf } from "./order.test.data.js";
import { policyDigest } from "./order-policy.js";
import { vaultCalls } from "./vault-core.js";

const levels = ["session-keys-in-host", "trusted-host", "module-process"] as const;
type Spec = Extract<SecureChannelSpec, { protocol: "desfire" }>;
const uid = "04A1B2C3D4E5F6";
const serial = uid as Serial;
const master = unhex("00112233445566778899AABBCCDDEEFF");
const hsm = vaultCalls(
  new Keyring(
    "test",
    (["desfire", "application", "seal"] as const).map((use) => ({
      name: `${use}-master` as KeyRef,
      use,
      algorithm: use === "seal" ? "AES-256" : "AES-128",
      environment: "test",
      published: true,
      value: master,
    })),
  ),
);
const own: DesfireKey = {
  keys: "desfire-master" as KeyRef,
  input: ["uid", "aid", "key", unhex("4B4F564558")],
};

const fresh = (): VirtualCard => {
  const card = makeDesfireCard({
    eeprom: memoryStore(fabricateDesfire({ uid: unhex(uid) })),
    random: (length) => new Uint8Array(randomBytes(length)),
    crypto: nodeCrypto,
  });
  card.powerOn();
  return card;
};
const send = (card: VirtualCard, command: Command): Response =>
  decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0));

function step({
  ins,
  header = new Uint8Array(0),
  data,
  send: how,
  receive,
  ...rest
}: NativeCommand): SecureStep {
  const { answerLength } = rest;
  const shape = answerLength === undefined ? {} : { answerLength };
  return {
    cla: 0x90,
    ins,
    p1: 0,
    p2: 0,
    le: 256,
    data: data === undefined ? [header] : [header, data],
    native: { clear: header.length, send: how, receive, ...shape },
  };
}
const newKey = (
  key: number,
  version: number,
  more: Partial<Extract<Part, { secret: "desfire-key" }>> = {},
): SecureStep => ({
  ...step({ ins: 0xc4, header: Uint8Array.of(key), send: "full", receive: "session" }),
  data: [Uint8Array.of(key), { secret: "desfire-key", aid: 1, key, version, value: own, ...more }],
});

/** Every pass of one session; what the vault makes of the answers. */
function session(card: VirtualCard, channel: Spec, steps: readonly SecureStep[]) {
  const places = placesOf(channel, steps);
  const order = `N-${policyDigest(places)}`;
  openOrderNow(hsm, order, places);
  const { session: id, open } = hsm.openSession({ channel, serial, order });
  let ready = hsm.authenticate({ session: id, answer: send(card, open), steps });
  const passes: string[] = [];
  while (ready.ok && "more" in ready) {
    passes.push(hex(encodeCommand(ready.more).subarray(0, 2)));
    ready = hsm.authenticate({ session: id, answer: send(card, ready.more), steps });
  }
  if (!ready.ok) return { ...ready, passes };
  return { ...hsm.unwrap({ session: id, answers: ready.commands.map((one) => send(card, one)) }), passes };
}
const wrap = (version: Spec["version"], more: Partial<Spec> = {}): Spec => ({
  protocol: "desfire",
  version,
  aid: 0,
  keyNumber: 0,
  key: "default",
  ...more,
});
const rights = { read: 0, write: 0, readWrite: 0, change: 0 } as const;
const text = Uint8Array.from({ length: 20 }, (_, at) => at);

describe.each(["ev1", "ev2"] as const)("a DESFire session in the vault, %s", (version) => {
  const prepared = (): VirtualCard => {
    const card = fresh();
    session(card, wrap(version), [step(createApplication(1, 0x0f, 3))]);
    const inside = session(card, wrap(version, { aid: 1 }), [
      step(createFile({ kind: "standard", file: 1, comm: "full", rights, size: 32 })),
      step(createFile({ kind: "standard", file: 2, comm: "mac", rights, size: 32 })),
      step(writeData(1, 0, text, "full")),
      { ...step(readData(1, 0, 20, "full")), answer: text },
      step(writeData(2, 0, text, "mac")),
      { ...step(readData(2, 0, 20, "mac")), answer: text },
      { ...step(getCardUid), judge: { proof: "uid" } },
    ]);
    expect(inside).toMatchObject({ ok: true, passes: [version === "ev1" ? "90AA" : "9071", "90AF"] });
    if (!inside.ok) throw new Error(inside.code);
    expect(inside.answers.map(({ sw }) => sw.toString(16))).toEqual(Array.from({ length: 7 }, () => "9100"));
    expect(hex(inside.answers[3]?.data ?? text.subarray(0, 1))).toBe(hex(text));
    expect(inside.answers[6]?.verdict).toBe("right");
    return card;
  };

  test("writes, reads back, proves the UID, and changes all keys in one message", () => {
    const card = prepared();
    const changed = session(card, wrap(version, { aid: 1 }), [
      newKey(2, 7, { old: "default" }),
      newKey(1, 7, { old: "default" }),
      { ...newKey(0, 7), native: { clear: 1, send: "full", receive: "plain", endsSession: true } },
    ]);
    expect(changed).toMatchObject({ ok: true, answers: [{ sw: 0x9100 }, { sw: 0x9100 }, { sw: 0x9100 }] });
    for (const keyNumber of [0, 1, 2]) {
      const proved = session(card, wrap(version, { aid: 1, keyNumber, key: own }), [
        step(getKeyVersion(keyNumber)),
      ]);
      expect(proved).toMatchObject({ ok: true, answers: [{ data: Uint8Array.of(7) }] });
    }
    // An old key that is not the default is named.
    const again = session(card, wrap(version, { aid: 1, key: own }), [newKey(1, 8, { old: own })]);
    expect(again).toMatchObject({ ok: true, answers: [{ sw: 0x9100 }] });
  });

  test("a wrong key is told by the card after one attempt: 91AE, no command of the steps", () => {
    const card = fresh();
    const before = card.counters.apdus;
    const refused = session(card, wrap(version, { key: own }), [step(getKeyVersion(0))]);
    expect(refused).toMatchObject({ ok: false, code: "card-cryptogram" });
    expect(card.counters.apdus - before).toBe(3);
  });

  test("an answer that was altered on its way is not taken", () => {
    const card = prepared();
    const channel = wrap(version, { aid: 1 });
    const steps = [step(readData(1, 0, 20, "full"))];
    const order = `N-altered-${version}`;
    openOrderNow(hsm, order, placesOf(channel, steps));
    const { session: id, open } = hsm.openSession({ channel, serial, order });
    let ready = hsm.authenticate({ session: id, answer: send(card, open), steps });
    while (ready.ok && "more" in ready)
      ready = hsm.authenticate({ session: id, answer: send(card, ready.more), steps });
    if (!ready.ok) throw new Error(ready.detail);
    const answers = ready.commands.map((one) => send(card, one));
    answers[0]?.data.set([(answers[0].data[0] ?? 0) ^ 1]);
    expect(hsm.unwrap({ session: id, answers })).toMatchObject({ ok: false, code: "response-mac", at: 0 });
  });

  test("a refusal comes bare and is handed on as it is", () => {
    const card = prepared();
    const refused = session(card, wrap(version, { aid: 1 }), [step(readData(9, 0, 1, "full"))]);
    expect(refused).toMatchObject({ ok: true, answers: [{ sw: 0x91f0 }] });
  });
});

test("EV1: an answer that nobody foresaw is the last; one that differs is shown as it is", () => {
  const card = fresh();
  expect(() => session(card, wrap("ev1"), [step(getCardUid), step(getKeyVersion(0))])).toThrow("foresee");
  session(card, wrap("ev1"), [step(createApplication(1, 0x0f, 1))]);
  const told = session(card, wrap("ev1"), [
    { ...step(getKeyVersion(0)), answer: Uint8Array.of(9) },
    { ...step(getKeyVersion(0)), answer: Uint8Array.of(0) },
  ]);
  expect(told).toMatchObject({ ok: false, at: 1, answers: [{ data: Uint8Array.of(0) }] });
});

test("live: the published key opens sessions of an order only that says how they are kept", () => {
  const live = new Keyring(
    "live",
    (["desfire", "seal"] as const).map((use) => ({
      name: `${use}-master` as KeyRef,
      use,
      algorithm: use === "seal" ? "AES-256" : "AES-128",
      environment: "live",
      published: false,
      value: Uint8Array.from({ length: use === "seal" ? 32 : 16 }, (_, at) => 37 * at + 5),
    })),
  );
  const channel = wrap("ev2");
  const places = placesOf(channel, []);
  const lists = [
    places,
    ...levels.map((level) => [...places, `operation desfire-first-keys kept at ${level}`]),
  ];
  live.policies = lists.map((list, at) => ({ name: `P-${String(at)}`, digest: policyDigest(list) }));
  const vault = vaultCalls(live);
  const opening = (at: number) => {
    const order = `L-${String(at)}`;
    openOrderNow(vault, order, lists[at] ?? []);
    const { session: id, open } = vault.openSession({ channel, serial, order });
    return vault.authenticate({ session: id, answer: send(fresh(), open), steps: [] });
  };
  expect(() => opening(0)).toThrow(
    'which everybody has, without "operation desfire-first-keys kept at session-keys-in-host"',
  );
  expect(opening(1)).toMatchObject({ ok: true });
  expect(opening(2)).toMatchObject({ ok: true });
  // No module keeps it better.
  expect(() => opening(3)).toThrow("desfire-first-keys must be kept at module-process");
  vault.wipe();
});

describe("what is refused", () => {
  test.each<[string, Partial<Spec>, SecureStep[], string]>([
    ["a master for something else", { key: { keys: "application-master" as KeyRef } }, [], "one purpose"],
    ["a master that is not there", { key: { keys: "nobody" as KeyRef } }, [], "no key nobody"],
    [
      "the own key with its old value",
      {},
      [newKey(0, 1, { aid: 0, old: "default" })],
      "without its old value",
    ],
    ["another application's key", {}, [newKey(0, 1)], "in the application"],
    ["a command of another card", {}, [{ cla: 0, ins: 0xb0, p1: 0, p2: 0, data: [] }], "none of a DESFire"],
  ])("%s", (_, more, steps, message) => {
    expect(() => session(fresh(), wrap("ev2", more), steps)).toThrow(message);
  });
  test("a card that is not known by a UID", () => {
    const channel = wrap("ev2", { key: own });
    const order = "N-nobody";
    openOrderNow(hsm, order, placesOf(channel, []));
    const { session: id, open } = hsm.openSession({
      channel,
      serial: "504C0000000000000107" as Serial,
      order,
    });
    const answer = send(fresh(), open);
    expect(() => hsm.authenticate({ session: id, answer, steps: [] })).toThrow("7 bytes");
  });
});
