import { concat, hex, unhex, utf8 } from "@persoline/card/bytes";
import { kcvAes } from "@persoline/card/crypto";
import { nodeCrypto } from "@persoline/card/node";
import type { CardProgram, KeyRef, OpenJudge, SealedSecrets } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { openOrderNow, placesIn, sessionsOf } from "../../devices/hsm/order.test.data.js";
import { listed, policyDigest } from "../../devices/hsm/order-policy.js";
import { wrongProofsAtMost } from "../../devices/hsm/port.js";
import { seal } from "../../devices/hsm/seal.js";
import { sealingAlone } from "../../devices/hsm/seal.test.data.js";
import { wrapPadded } from "../../devices/hsm/transport.js";
import { clearField } from "../../orders/issuer.js";
import { prepare } from "../prepare.js";
import {
  chip,
  GpHead,
  moduleWith,
  planned,
  productText,
  programOf,
  programsOf,
  record,
  scp02Text,
  serial,
  withPin,
} from "./life.test.data.js";
import { gpUnproved } from "./proof.js";

/** Brought to its proof by a chip that keeps one byte of a grouping wrong once it has checked it. */
async function proofOf(text: string, grouping: number, byte: number) {
  const compiled = planned(text);
  const head = new GpHead(chip(compiled), [{ kind: "stores-wrong", grouping, byte }]);
  for (const [station, program] of programsOf(compiled)) {
    if (station === "proof") break;
    expect([station, (await head.run(program)).kind]).toEqual([station, "passed"]);
  }
  return head.run(programOf(text, "proof"));
}

describe.each([
  ["SCP03", withPin(productText)],
  ["SCP02", withPin(scp02Text)],
])("a bit that a chip keeps wrong where nobody reads, %s", (_, text) => {
  test.each([
    ["0201, which a gate reads", 0x0201, "prove the content of grouping 0201 of access"],
    ["0301, which nobody reads", 0x0301, "prove the content of grouping 0301 of access"],
    ["0401, which the PIN opens", 0x0401, "prove the content of grouping 0401 of access"],
    ["8101, the key itself", 0x8101, "access proves key 01"],
  ])("is found in %s", async (_name, grouping, detail) => {
    expect(await proofOf(text, grouping, 1)).toMatchObject({
      kind: "rejected",
      code: "proof-wrong",
      detail: expect.stringContaining(detail) as string,
    });
  });
});

test("PROVE GROUPING tells of data alone, by keys that are there, and costs no try", async () => {
  const text = withPin(productText);
  const head = new GpHead(chip(planned(text)));
  for (const [station, program] of programsOf(planned(text))) {
    if (station === "proof") break;
    expect([station, (await head.run(program)).kind]).toEqual([station, "passed"]);
  }
  head.card.powerOn();
  const say = (apdu: string): string => hex(head.card.transmit(unhex(apdu)) ?? new Uint8Array(0));
  say("00A4040008A00000087602010100");
  const random = "00112233445566778899AABBCCDDEEFF";
  const first = say(`805C03011101${random}00`);
  expect(first).toMatch(/^[0-9A-F]{32}9000$/);
  // Another challenge and another grouping have another answer.
  expect(say(`805C03011101${random.replace("00", "01")}00`)).not.toBe(first);
  expect(say(`805C02011101${random}00`)).not.toBe(first);
  // No PIN, no key, no tries; no key or grouping that is not there.
  for (const id of ["8281", "8101", "7F01", "7E81", "9001", "0302"])
    expect([id, say(`805C${id}1101${random}00`)]).toEqual([id, "6A88"]);
  expect(say(`805C03011102${random}00`)).toBe("6A88");
  expect(say(`805C030110${random}00`)).toBe("6700");
  // Nothing that was proved opens anything.
  expect(say("00CA020100")).toBe("6982");
});

/** An application whose key, hidden data and PIN are the issuer's. */
const issuerText = productText
  .replace(/^ *keys: \{ master.*$/m, "")
  .replace(/^(?:gate|register): .*$/gm, "")
  .replace(
    /^( *)"0301": .*$/m,
    `$&
    issuer:
      "0202": { bytes: 8 }
      "0302": { bytes: 16, secret: true }
      "8101": { bytes: 16, secret: true }
      "8281": { bytes: 16, secret: true }
      "9001": { bytes: 3 }`,
  );
const AID = "A000000876020101";
const transport = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4";
const key = unhex("2B7E151628AED2A6ABF7158809CF4F3C");
const secretOf: Readonly<Record<string, Uint8Array>> = {
  "0302": utf8("what nobody sees"),
  "8101": key,
  "8281": unhex("03241234FFFFFFFFFF80000000000000"),
};
const fields = {
  ...record.fields,
  [clearField(`${AID}/0202`)]: "0102030405060708",
  [clearField(`${AID}/9001`)]: hex(kcvAes(nodeCrypto, key)),
};

/** Programs, module and the record's secrets as an issuer's file brought them. */
function issuersCard(more: readonly string[] = []) {
  const calls = moduleWith({ "issuer-tk": ["transport", "AES-256", transport] });
  const compiled = planned(issuerText);
  const { personalization, proof } = prepare(compiled, { ...record, fields }, { order: "GP-26-2" });
  const sentences = listed([...placesIn([compiled.initialisation, personalization, proof]), ...more]);
  const order = "GP-26-2";
  openOrderNow(calls, order, sentences);
  const whose = { order, record: record.number, policy: policyDigest(sentences) };
  const issuer = Object.fromEntries(
    Object.entries(secretOf).map(([id, value]) => {
      const name = `${AID}/${id}`;
      const wrapped = wrapPadded(unhex(transport), value);
      const clear = concat(Uint8Array.of(0, 9), utf8("issuer-tk"), wrapped);
      return [name, seal(sealingAlone(new Uint8Array(32)), { purpose: "issuer-dgi", ...whose, name }, clear)];
    }),
  );
  const secrets: SealedSecrets = { order, record: record.number, pins: {}, issuer };
  const run = (head: GpHead, program: CardProgram, with_: SealedSecrets | undefined = secrets) =>
    head.run(program, { hsm: sessionsOf(calls, order), secrets: with_ });
  return { calls, compiled, personalization, proof, run, secrets, sentences };
}

async function issuersHead(faults: ConstructorParameters<typeof GpHead>[1] = []) {
  const card = issuersCard();
  const head = new GpHead(chip(card.compiled), faults);
  for (const program of [card.compiled.initialisation, card.personalization])
    expect(await card.run(head, program)).toMatchObject({ kind: "passed" });
  return { ...card, head };
}

describe("an application whose key came from the issuer", () => {
  test("is proved by that key, which the line never has, and so is what it hides", async () => {
    const { head, run, proof, sentences } = await issuersHead();
    expect(await run(head, proof)).toMatchObject({ kind: "passed" });
    expect(sentences).toContain(`the issuer's ${AID}/8101 → judges proofs of key 01`);
    expect(sentences).toContain(
      `the issuer's ${AID}/0302 → judges proofs of grouping 0302 by the issuer's ${AID}/8101`,
    );
    expect(JSON.stringify(proof)).not.toContain(hex(key));
    expect(gpUnproved(planned(issuerText).product)).toEqual([
      "digits of the PIN of access: a try would go out in clear; that it is set and has its tries is asked",
    ]);
  });

  test.each([
    ["8101", "access proves the issuer's key 01"],
    ["0302", "prove the content of the issuer's grouping 0302 of access"],
    ["0202", "prove the content of the issuer's grouping 0202 of access"],
    ["0201", "prove the content of grouping 0201 of access"],
    ["0301", "prove the content of grouping 0301 of access"],
  ])("is rejected where the chip keeps %s wrong", async (id, detail) => {
    const grouping = Number.parseInt(id, 16);
    const { head, run, proof } = await issuersHead([{ kind: "stores-wrong", grouping, byte: 2 }]);
    expect(await run(head, proof)).toMatchObject({
      kind: "rejected",
      code: "proof-wrong",
      detail: expect.stringContaining(detail) as string,
    });
  });

  test("a PIN of the issuer's without tries is found", async () => {
    const { head, run, proof } = await issuersHead();
    head.card.powerOn();
    head.card.transmit(unhex("00A4040008A00000087602010100"));
    for (let tries = 0; tries < 3; tries++) head.card.transmit(unhex("0020008108245678FFFFFFFFFF"));
    head.card.powerOff();
    expect(await run(head, proof)).toMatchObject({ kind: "rejected", code: "wrong-answer" });
  });
});

describe("the module judges by what is the issuer's only where the order's list says so", () => {
  const secret = (dgi: number) => ({ application: AID, dgi, length: 16 });
  const judge: OpenJudge = { proof: "internal", issuer: secret(0x8101), kid: 1 };

  test("for no record, no other order, no PIN, and no grouping in another's place", () => {
    const { calls, secrets } = issuersCard([
      `the issuer's ${AID}/8281 → judges proofs of key 81`,
      `the issuer's ${AID}/8281 → judges proofs of grouping 8281 by the issuer's ${AID}/8101`,
      `the issuer's ${AID}/0302 → judges proofs of grouping 0301 by the issuer's ${AID}/8101`,
    ]);
    const asked =
      (one: OpenJudge, whose: SealedSecrets | undefined = secrets) =>
      () =>
        calls.openProof({ serial, judges: [one], ...(whose && { secrets: whose }) });
    expect(asked(judge)().challenges).toHaveLength(1);
    expect(() => calls.openProof({ serial, judges: [judge] })).toThrow("no record's secrets were named");
    expect(asked(judge, { ...secrets, order: "GP-26-3" })).toThrow("is not open");
    expect(asked(judge, { ...secrets, record: 4 })).toThrow("belongs elsewhere");
    expect(asked({ ...judge, issuer: secret(0x8281), kid: 0x81 })).toThrow("does not let this be done");
    expect(asked({ ...judge, kid: 2 })).toThrow("does not let this be done");
    const grouping = { ...judge, proof: "grouping" } as const;
    expect(asked({ ...grouping, id: 0x8281, content: secret(0x8281) })).toThrow("does not let this be done");
    expect(asked({ ...grouping, id: 0x0301, content: secret(0x0302) })).toThrow("does not let this be done");
    expect(asked({ ...grouping, id: 0x0302, content: secret(0x0302) })().challenges).toHaveLength(1);
  });

  test("and tells so many wrong ones, however many were asked for at once", () => {
    const { calls, secrets } = issuersCard();
    const judges = Array.from({ length: 32 }, () => judge);
    const open = Array.from({ length: 4 }, () => calls.openProof({ serial, judges, secrets }).proof);
    const answers = judges.map(() => new Uint8Array(16));
    const told = open.map((proof) => {
      try {
        return calls.judgeProof({ proof, answers }).length;
      } catch (refused) {
        return String(refused);
      }
    });
    expect(told.slice(0, 2)).toEqual([32, 32]);
    expect(wrongProofsAtMost).toBe(64);
    for (const one of told.slice(2)) expect(one).toContain("so many proofs of data or of the issuer");
    expect(() => calls.openProof({ serial, judges, secrets })).toThrow(
      "so many proofs of data or of the issuer",
    );
  });
});

test("nor can what a card hides be guessed by naming it: wrong contents are counted too", () => {
  const { calls } = issuersCard();
  const guess: OpenJudge = {
    proof: "grouping",
    keys: "access-app" as KeyRef,
    kid: 1,
    id: 0x0301,
    content: utf8("a guess"),
  };
  const tried = (): string => {
    const { proof } = calls.openProof({ serial, judges: [guess] });
    return calls.judgeProof({ proof, answers: [new Uint8Array(16)] }).join();
  };
  for (let at = 0; at < wrongProofsAtMost; at++) expect(tried()).toBe("wrong");
  expect(tried).toThrow("so many proofs of data");
});

test("what no proof shows is said, application by application", () => {
  const keyless = productText.replace(/^ *keys: \{ master.*$/m, "").replace(/^(?:gate|register): .*$/gm, "");
  expect(gpUnproved(planned(keyless).product)).toEqual([
    "content of groupings 0201, 0301 of access: the application has no key to prove it with",
  ]);
  expect(gpUnproved(planned(productText).product)).toEqual([]);
  const other = productText
    .replace(/^ *module: .*$/m, "    module: A0000008769901")
    .replace(/^(?:gate|register): .*$/gm, "");
  expect(gpUnproved(planned(other).product)).toEqual([
    "content of groupings 0201, 0301 of access: they are not read, and the application is asked for no proof",
    "keys of access: the application is asked for no proof of them",
  ]);
});
