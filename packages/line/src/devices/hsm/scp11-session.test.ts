import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, decodeResponse, encodeCommand, type Response } from "@persoline/card/apdu";
import { concat, hex, unhex } from "@persoline/card/bytes";
import { type CertificateContent, diversifyKdf3, makeCertificate } from "@persoline/card/globalplatform";
import { nodeCrypto, nodeP256, random } from "@persoline/card/node";
import {
  blankTiming,
  type CardProgram,
  costs,
  type Journal,
  type Part,
  runProgram,
  type Scp11ChannelSpec,
  type SecureStep,
  type Step,
  scp11Kids,
  type World,
} from "@persoline/card/program";
import {
  type FabEllipticKey,
  fabricateGlobalPlatform,
  makeVirtualCard,
  memoryStore,
  type PersolineCard,
} from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chip, type OpenedVault, ref, serial, vaultWith } from "./channel-cards.test.data.js";
import { probeScp11 } from "./scp11-probe.js";
import type { Hsm } from "./port.js";
import { orderOfSteps } from "./order.test.data.js";
import { createKeystore } from "./vault.js";

const master = unhex("000102030405060708090A0B0C0D0E0F");
const name = (text: string): Uint8Array => new TextEncoder().encode(text);

const pair = (text: string) => ({ ...nodeP256.generate(), name: name(text) });
const authority = pair("cards");
const hosts = pair("hosts");
const host = pair("host");
const card = { ...nodeP256.generate(), name: chip };
type Named = ReturnType<typeof pair>;
const certify = (
  by: Named,
  whose: Pick<Named, "name" | "publicKey">,
  change: Partial<CertificateContent> = {},
) =>
  makeCertificate(
    {
      serialNumber: unhex("01"),
      authority: by.name,
      subject: whose.name,
      use: "agreement",
      expires: "20991231",
      publicKey: whose.publicKey,
      ...change,
    },
    (message) => nodeP256.sign(by.privateKey, message),
  );

let vault: OpenedVault;
let hsm: Hsm;
beforeAll(async () => {
  vault = await vaultWith([
    { name: "maker", use: "card-authority", open: hex(authority.publicKey) },
    { name: "host", use: "scp11", published: hex(host.privateKey) },
    { name: "drawn", use: "scp11" },
    { name: "issuer", use: "scp03", published: hex(master) },
  ]);
  hsm = vault.hsm;
});
afterAll(() => vault.end());

const specOf = (variant: "a" | "b" | "c", change: Partial<Scp11ChannelSpec> = {}): Scp11ChannelSpec => ({
  protocol: "scp11",
  variant,
  kvn: 0x03,
  level: 0x33,
  keyLength: 16,
  authority: ref("maker"),
  authorityName: authority.name,
  subject: "chip-number",
  ...(variant === "b"
    ? {}
    : { host: { keys: ref("host"), certificates: [certify(hosts, host)], authorityKvn: 0x01 } }),
  ...change,
});

/** A chip with pairs and authority; it counts what is said to it. */
function chipOf(
  certificate = certify(authority, card),
  keys = card,
  kids: readonly (0x11 | 0x13 | 0x15)[] = [0x11, 0x13, 0x15],
) {
  const elliptic: FabEllipticKey[] = [
    ...kids.map((kid) => ({ kid, kvn: 0x03, ...keys, certificates: certificate })),
    { kid: 0x10, kvn: 0x01, publicKey: hosts.publicKey, identifier: hosts.name },
  ];
  const store = memoryStore(
    fabricateGlobalPlatform({
      chipNumber: chip,
      keySets: [{ kvn: 0x30, algorithm: "aes", enc: master, mac: master, dek: master }],
      elliptic,
    }),
  );
  const body = makeVirtualCard({ crypto: nodeCrypto, random, eeprom: store });
  body.powerOn();
  stores.set(body, store);
  return body;
}
const stores = new WeakMap<PersolineCard, { load(): Uint8Array }>();
const sent: number[] = [];
function send(body: PersolineCard, command: Command): Response {
  sent.push(command.ins);
  return decodeResponse(body.transmit(encodeCommand(command)) ?? new Uint8Array(0));
}

const getStatus: Omit<SecureStep, "answer"> = {
  cla: 0x80,
  ins: 0xf2,
  p1: 0x80,
  p2: 0x02,
  data: [unhex("4F00")],
  le: 256,
};
const getData: SecureStep = { cla: 0x80, ins: 0xca, p1: 0x00, p2: 0x66, data: [], le: 256 };
const putKeys: SecureStep = {
  cla: 0x80,
  ins: 0xd8,
  p1: 0x00,
  p2: 0x81,
  data: [{ secret: "key-set", keys: ref("issuer"), kvn: 0x31 } satisfies Part],
  le: 256,
};

/** A whole session, pass after pass; `damage` alters the card's answer to one of them. */
async function session(
  body: PersolineCard,
  channel: Scp11ChannelSpec,
  steps: readonly SecureStep[],
  damage: (answer: Response, pass: number) => Response = (answer) => answer,
) {
  sent.length = 0;
  const order = await orderOfSteps(hsm, channel, steps);
  const opened = await hsm.openSession({ channel, serial, order });
  let command = opened.open;
  for (let pass = 0; ; pass++) {
    const answer = damage(send(body, command), pass);
    const ready = await hsm.authenticate({ session: opened.session, answer, steps });
    if (!ready.ok) {
      const after = await hsm.unwrap({ session: opened.session, answers: [] }).catch(String);
      return { ...ready, after };
    }
    if ("more" in ready) {
      command = ready.more;
      continue;
    }
    if (ready.opened !== true) throw new Error("an authentication that is still to be sent");
    return hsm.unwrap({
      session: opened.session,
      answers: ready.commands.map((one) => send(body, one)),
    });
  }
}

describe("another session than the order's list has", () => {
  const honest = specOf("a");
  const steps = [getStatus, putKeys];
  const { authorityName: _, ...unnamed } = honest;
  const { host: shown } = honest;
  if (shown === undefined) throw new Error("no host");
  const absent = (name: "subject" | "keyLength"): Scp11ChannelSpec => {
    const { [name]: _one, ...rest } = honest;
    return rest as Scp11ChannelSpec;
  };
  test.each<[string, Scp11ChannelSpec]>([
    ["cards under any name", { ...honest, subject: "any" }],
    ["an authority under any name", unnamed],
    ["an authority of another name", { ...honest, authorityName: name("cousins") }],
    ["another level", { ...honest, level: 0x11 }],
    ["other keys' length", { ...honest, keyLength: 32 }],
    ["another version of the card's pair", { ...honest, kvn: 0x04 }],
    ["another variant", { ...honest, variant: "c" }],
    ["a variant that knows no host", { ...honest, variant: "b" }],
    ["another key of the host", { ...honest, host: { ...shown, keys: ref("drawn") } }],
    ["another version of the host's authority", { ...honest, host: { ...shown, authorityKvn: 0x02 } }],
    ["another security domain", { ...honest, isd: unhex("A0000000620101") }],
    ["no length said", absent("keyLength")],
  ])("%s: refused before the card agrees upon a key", async (_what, channel) => {
    const order = await orderOfSteps(hsm, honest, steps);
    const body = chipOf();
    sent.length = 0;
    const work = (async () => {
      const opened = await hsm.openSession({ channel, serial, order });
      const answer = send(body, opened.open);
      return hsm.authenticate({ session: opened.session, answer, steps });
    })();
    await expect(work).rejects.toThrow(/does not let this be done|does not belong to key drawn/);
    expect(sent.filter((ins) => ins !== 0xca)).toEqual([]);
  });
  test("who says nothing of whose card it is gets no other chip's session: one record's keys lie in one card", async () => {
    const order = await orderOfSteps(hsm, honest, steps);
    const other = { ...nodeP256.generate(), name: unhex("504C99999999999999FF") };
    const body = chipOf(certify(authority, other), other);
    const opened = await hsm.openSession({ channel: absent("subject"), serial, order });
    const answer = send(body, opened.open);
    expect(await hsm.authenticate({ session: opened.session, answer, steps })).toMatchObject({
      ok: false,
      code: "chip-number",
    });
  });
});

describe.each(["a", "b", "c"] as const)("SCP11%s", (variant) => {
  test("opens at both levels, with keys of any length", async () => {
    for (const level of [0x11, 0x33] as const) {
      for (const keyLength of [16, 24, 32] as const) {
        const done = await session(chipOf(), specOf(variant, { level, keyLength }), [getData, getData]);
        expect(done).toMatchObject({ ok: true, answers: [{ sw: 0x9000 }, { sw: 0x9000 }] });
      }
    }
    expect(sent).toEqual([0xca, ...(variant === "b" ? [0x88] : [0x2a, 0x82]), 0xca, 0xca]);
  });

  test("keys go into the card under the session's own key, where the card knows its host", async () => {
    const body = chipOf();
    const done = await session(body, specOf(variant), [getStatus, putKeys]);
    const knows = variant !== "b";
    const sw = knows ? 0x9000 : 0x6982;
    const verdict = knows ? "right" : "wrong";
    expect(done).toMatchObject({ ok: true, answers: [{ sw }, { sw, verdict }] });
    const { enc } = diversifyKdf3(nodeCrypto, master, chip);
    expect(hex(stores.get(body)?.load() ?? new Uint8Array(0)).includes(hex(enc))).toBe(knows);
  });

  test("a wrong receipt, another card's certificate, another authority, a refusal: one attempt each", async () => {
    const agreementPass = variant === "b" ? 1 : 2;
    const last = await session(chipOf(), specOf(variant), [getData], (answer, pass) => {
      if (pass !== agreementPass) return answer;
      const data = answer.data.slice();
      data[85] = (data[85] ?? 0) ^ 1;
      return { ...answer, data };
    });
    // The session is over.
    const after = expect.stringContaining("there is no session") as string;
    expect(last).toMatchObject({ ok: false, code: "card-cryptogram", after });
    expect(sent.slice(-1)).toEqual([variant === "b" ? 0x88 : 0x82]);

    const end = async (body: PersolineCard, change: Partial<Scp11ChannelSpec> = {}) => {
      const done = await session(body, specOf(variant, change), [getData]);
      return "code" in done ? [done.code, sent.length] : ["opened", sent.length];
    };
    const stranger = { ...nodeP256.generate(), name: unhex("504C0102030400000043") };
    expect(await end(chipOf(certify(authority, stranger), stranger))).toEqual(["chip-number", 1]);
    expect(await end(chipOf(certify(authority, stranger), stranger), { subject: "any" })).toEqual([
      "opened",
      agreementPass + 2,
    ]);
    expect(await end(chipOf(certify(hosts, card)))).toEqual(["card-cryptogram", 1]);
    expect(await end(chipOf(certify(authority, card, { expires: "20200101" })))).toEqual([
      "card-cryptogram",
      1,
    ]);
    // A certificate of the right name on a chip that has another key.
    const [code, count] = await end(chipOf(certify(authority, card), stranger));
    expect([code === "card-cryptogram" || code === "protocol-error", count]).toEqual([
      true,
      agreementPass + 1,
    ]);
  });
});

test.each(["a", "c"] as const)("SCP11%s: a host that the card does not believe", async (variant) => {
  const certificates = [certify(authority, host)];
  const wrongHost = { host: { keys: ref("host"), certificates, authorityKvn: 0x01 } };
  expect(await session(chipOf(), specOf(variant, wrongHost), [getData])).toMatchObject({
    ok: false,
    code: "card-cryptogram",
  });
  expect(sent).toEqual([0xca, 0x2a]);
});

test("a certificate that is not the key's: nothing is sent", async () => {
  const certificates = [certify(hosts, host)];
  const open = (change: Partial<Scp11ChannelSpec>) =>
    hsm.openSession({ channel: specOf("a", change), serial });
  await expect(open({ host: { keys: ref("drawn"), certificates, authorityKvn: 1 } })).rejects.toThrow(
    "does not belong to key drawn",
  );
  await expect(open({ host: { keys: ref("host"), certificates: [], authorityKvn: 1 } })).rejects.toThrow(
    "no certificate",
  );
  await expect(
    open({ host: { keys: ref("host"), certificates: [unhex("3000")], authorityKvn: 1 } }),
  ).rejects.toThrow("7F21");
  await expect(open({ authority: ref("host") })).rejects.toThrow("a key has one purpose");
  const { host: _, ...nobody } = specOf("a");
  await expect(hsm.openSession({ channel: nobody, serial })).rejects.toThrow("needs the host's key");
});

test("the keys' public halves are told, and nothing else of them", async () => {
  const keys = await hsm.keys();
  const told = new Map(keys.map((key) => [String(key.name), key]));
  expect(told.get("host")?.publicKey).toBe(hex(host.publicKey));
  expect(told.get("maker")?.publicKey).toBe(hex(authority.publicKey));
  expect(told.get("drawn")?.publicKey).toMatch(/^04[0-9A-F]{128}$/);
  expect(told.get("host")?.kcv).toBe(hex(nodeCrypto.sha256(host.publicKey).slice(0, 3)));
  expect(told.get("issuer")?.publicKey).toBeUndefined();
  expect(JSON.stringify(keys)).not.toContain(hex(host.privateKey));
  const { operations } = await hsm.capabilities();
  expect(operations.scp11).toEqual({ level: "module-process", probed: true });
  expect(probeScp11).not.toThrow();
});

test("the examples' authority certifies no live cards", async () => {
  const examples = new URL("../../../../../examples/keys/gp-certified-test-keys.yaml", import.meta.url);
  const [, secret = ""] =
    /use: card-authority, published: "([0-9A-F]{64})"/.exec(readFileSync(examples, "utf8")) ?? [];
  const ceremony = (open: Uint8Array, file: string) => ({
    file: join(vault.folder, file),
    environment: "live" as const,
    unlock: { keyFile: join(vault.folder, `${file}.key`) },
    keys: [{ name: "maker", use: "card-authority" as const, open: hex(open) }],
    letterPrinter: { writePrivateKeyTo: join(vault.folder, `${file}.pem`) },
  });
  await expect(createKeystore(ceremony(nodeP256.publicKeyOf(unhex(secret)), "known.json"))).rejects.toThrow(
    "published test keys are refused",
  );
  await createKeystore(ceremony(authority.publicKey, "live.json"));
});

describe("a program", () => {
  const step = (plain: Omit<SecureStep, "answer">, why: string): Step => ({
    ...plain,
    sw: [{ value: 0x9000, mask: 0xffff }],
    again: "session",
    changes: false,
    why,
    clause: "",
    cost: { pages: 0, answer: 0 },
  });
  const program = (channel: Scp11ChannelSpec): CardProgram => ({
    name: "probe",
    segments: [{ name: "ask", channel, steps: [step(getStatus, "ask for the state")] }],
  });
  const run = async (body: PersolineCard, channel: Scp11ChannelSpec) => {
    sent.length = 0;
    const order = await orderOfSteps(hsm, channel, []);
    const journal: Journal = { write: () => Promise.resolve() };
    const world: World = {
      now: () => 0,
      sleep: () => Promise.resolve(),
      random,
      outside: (_ms, answer) => answer,
    };
    return runProgram({
      program: program(channel),
      station: "test",
      serial,
      channel: {
        exchange: (commands) => {
          const answers: Response[] = [];
          for (const { command, sw } of commands) {
            let answer = send(body, command);
            while (answer.sw >> 8 === 0x61) {
              const rest = send(body, { cla: 0, ins: 0xc0, p1: 0, p2: 0, le: answer.sw & 0xff || 256 });
              answer = { sw: rest.sw, data: concat(answer.data, rest.data) };
            }
            answers.push(answer);
            if (!sw.some(({ mask, value }) => (answer.sw & mask) === value)) break;
          }
          return Promise.resolve(answers);
        },
      },
      hsm: { ...hsm, openSession: (ask) => hsm.openSession({ order, ...ask }) },
      journal,
      world,
    });
  };
  test("runs in such a session, with chains of certificates on both sides", async () => {
    const [below, maker] = [pair("below"), pair("maker 2")];
    const discretionary = new Uint8Array(120).fill(7);
    const chain = concat(
      certify(authority, maker, { use: "verification", discretionary }),
      certify(maker, card, { discretionary }),
    );
    const certificates = [
      certify(hosts, below, { use: "verification", discretionary }),
      certify(below, host, { discretionary }),
    ];
    const channel = specOf("a", { host: { keys: ref("host"), certificates, authorityKvn: 1 } });
    expect(await run(chipOf(chain, card, [0x11]), channel)).toMatchObject({ kind: "passed" });
    expect(sent).toEqual([0xca, 0xc0, 0xc0, 0x2a, 0x2a, 0x2a, 0x2a, 0x82, 0xf2]);
    expect(() => chipOf(chain)).toThrow("more than the chip has room for");
  });
  test("a card that is not believed is rejected as one with other keys", async () => {
    expect(await run(chipOf(certify(hosts, card)), specOf("a"))).toMatchObject({
      kind: "rejected",
      code: "card-cryptogram",
      changed: false,
    });
    const nobody = chipOf();
    expect(await run(nobody, specOf("a", { kvn: 0x04 }))).toMatchObject({
      kind: "rejected",
      code: "command-refused",
    });
  });
  test("is estimated command by command, and not above what the card takes", async () => {
    for (const variant of ["a", "c"] as const) {
      const channel = specOf(variant);
      const estimated = costs(program(channel), blankTiming).filter(({ what }) => what !== "power-up");
      expect(estimated.map(({ what }) => what)).toEqual(["open", "challenge", "authenticate", "step"]);
      const body = chipOf();
      const before = body.workMicros ?? 0;
      await run(body, channel);
      const worked = estimated.reduce((sum, one) => sum + one.cryptoMs + one.workMs, 0);
      expect(((body.workMicros ?? 0) - before) / 1000).toBeGreaterThanOrEqual(worked);
      expect(worked).toBeGreaterThan(50);
    }
    expect(scp11Kids.a).toBe(0x11);
  });
});
