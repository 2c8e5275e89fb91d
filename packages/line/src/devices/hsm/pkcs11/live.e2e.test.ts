/** A live token: whatever its keys are for, they come by two custodians, and public keys of others do too. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { samplePayment } from "@persoline/card/emv";
import { parsePreamble } from "@persoline/card/issuer-data";
import type { KeyRef } from "@persoline/card/program";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { ann, Desk, opened, plan } from "../office/office.test.data.js";
import { openOrder } from "../order.test.data.js";
import { pinSentence } from "../order-policy.js";
import { paymentSentences } from "../payment-sentences.js";
import { application, cardOf } from "../payment/payment-card.test.data.js";
import { machineOf } from "../machine.test.data.js";
import { openStripe } from "../payment/stripe.js";
import type { Hsm } from "../port.js";
import { createTokenKeys, openToken } from "./pkcs11.js";
import { readRegister } from "./register.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";
import { openTokenOffice } from "./token-office.js";

interface IssuerVector {
  readonly algorithm: string;
  readonly signer: string;
  readonly file: string;
}
const { vectors } = JSON.parse(
  readFileSync(new URL("../../../../../card/vectors/issuer-data.json", import.meta.url), "utf8"),
) as { readonly vectors: readonly IssuerVector[] };
const signed = vectors.find(({ algorithm }) => algorithm === "Ed25519");
if (signed === undefined) throw new Error("no file is signed");

const pemOf = (der: Uint8Array): string =>
  `-----BEGIN PUBLIC KEY-----\n${Buffer.from(der).toString("base64")}\n-----END PUBLIC KEY-----\n`;
const machine = () => generateKeyPairSync("x25519");
const openPem = ({ publicKey }: ReturnType<typeof machine>) =>
  publicKey.export({ format: "pem", type: "spki" }).toString();
const ref = (name: string) => name as KeyRef;

let folder: string;
let soft: SoftToken;
const file = () => join(folder, "token-keys.json");
const encoders = [machine(), machine()] as const;

/** One sitting after the other; the module opens the token when they are done. */
async function ceremonies(hold: (desk: Desk) => Promise<void>): Promise<void> {
  const office = await openTokenOffice(file(), soft.access);
  try {
    await hold(
      office.keep.book.custodians.length === 0 ? await opened("live", office) : new Desk("live", office),
    );
  } finally {
    office.close();
  }
}
async function module(): Promise<Hsm> {
  const hsm = await openToken({ file: file(), unlock: soft.access }, { environment: soft.environment });
  onTestFinished(() => hsm.close());
  return hsm;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-live-"));
  soft = softToken(folder, "live");
  for (const [name, value] of Object.entries(soft.environment)) vi.stubEnv(name, value);
  const letterPrinter = { publicKeyPem: openPem(machine()) };
  await createTokenKeys(
    { file: file(), environment: "live", unlock: soft.access, keys: [], letterPrinter },
    { environment: soft.environment },
  );
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const masters = { ac: "emv-ac", smi: "emv-smi", smc: "emv-smc", cvk: "emv-cvk", pvk: "emv-pvk" } as const;
const named = Object.fromEntries(Object.keys(masters).map((use) => [use, ref(`pay-${use}`)])) as never;
const profile = samplePayment(undefined, { proof: "none" });
const stripes = [pinSentence({ name: "pin", length: 4 }), ...paymentSentences(application, named, profile)];
async function stripeBy(hsm: Hsm): Promise<string> {
  await openOrder(hsm, "L-1", stripes);
  const { pan } = cardOf(1);
  const sealedPin = await hsm.drawPin({ order: "L-1", record: 1, name: "pin", length: 4, pan });
  const [made] = await hsm.preparePayment([
    {
      order: "L-1",
      record: 1,
      application,
      masters: named,
      profile,
      card: cardOf(1),
      pin: "pin",
      sealedPin,
      stripe: true,
    },
  ]);
  return made?.stripe ?? "";
}

test("a stripe encoder's key comes in by two custodians; the newest in life is used, and none by one alone", async () => {
  const key = (name: string) => plan(name, { use: "stripe-encoder", algorithm: "X25519" });
  await ceremonies(async (desk) => {
    for (const [use, own] of Object.entries(masters))
      await desk.both({ do: "generate", key: plan(`pay-${use}`, { use: own, algorithm: "3DES" }) });
    await desk.both({ do: "allow", name: "stripes", sentences: stripes });
    await desk.begin({ do: "import-public", key: key("encoder-1"), pem: openPem(encoders[0]) });
  });
  await expect(stripeBy(await module())).rejects.toThrow("no public key of a stripe encoder");
  await ceremonies(async (desk) => {
    desk.last = desk.keep.book.pending[0]?.number ?? "";
    await expect(desk.confirm(ann)).rejects.toThrow("it takes another custodian");
    await desk.confirm();
    await desk.both({ do: "import-public", key: key("encoder-2"), pem: openPem(encoders[1]) });
  });
  const opens = async (at: 0 | 1): Promise<string> => {
    const pem = encoders[at].privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    const hsm = await module();
    const machine = machineOf(pem, await hsm.keys());
    return openStripe(machine, { order: "L-1", record: 1 }, await stripeBy(hsm)).track2;
  };
  expect(await opens(1)).toContain(cardOf(1).pan);
  await expect(opens(0)).rejects.toThrow("unable to authenticate");
  await ceremonies((desk) =>
    desk.both({ do: "state", name: "encoder-2", state: "compromised", reason: "the machine was stolen" }),
  );
  expect(await opens(0)).toContain(cardOf(1).pan);
  const told = (await (await module()).keys()).filter(({ use }) => use === "stripe-encoder");
  expect(told.map(({ name, life }) => [name, life?.state, life?.source])).toEqual([
    ["encoder-1", "active", "public"],
    ["encoder-2", "compromised", "public"],
  ]);
});

test("an issuer's public key proves its signed files, until it is destroyed; another key's file stays wrong", async () => {
  const bytes = unhex(signed.file);
  const { length, key: name } = parsePreamble(bytes);
  const bodyDigest = new Uint8Array(createHash("sha256").update(bytes.slice(length)).digest());
  const ask = { preamble: bytes.slice(0, length), bodyDigest };
  const key = plan(name, { use: "issuer-signature", algorithm: "Ed25519" });
  await ceremonies((desk) => desk.both({ do: "import-public", key, pem: pemOf(unhex(signed.signer)) }));
  const hsm = await module();
  expect(await hsm.proveIssuerFile(ask)).toBe("right");
  const other = { ...ask, bodyDigest: bodyDigest.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) };
  expect(await hsm.proveIssuerFile(other)).toBe("wrong");
  await hsm.close();
  await ceremonies(async (desk) => {
    await desk.both({ do: "state", name, state: "compromised", reason: "test" });
    await desk.both({ do: "state", name, state: "destroyed", reason: "test" });
  });
  await expect((await module()).proveIssuerFile(ask)).rejects.toThrow(`key ${name} is destroyed`);
  expect(readRegister(file()).keys.find((one) => one.name === name)?.open).toBeUndefined();
});

test("an order puts secrets where two custodians have allowed it, and the token's module heeds them", async () => {
  const policy = ["PIN pin of 4 digits: drawn"];
  const order = "L-2";
  await expect((await module()).createDataKey({ order, policy })).rejects.toThrow(
    "no two custodians have approved",
  );
  await ceremonies((desk) => desk.both({ do: "allow", name: "payment", sentences: policy }));
  const sealed = await (await module()).createDataKey({ order, policy });
  const hsm = await module();
  expect(await hsm.releaseDataKey({ order, sealed, policy })).toHaveLength(32);
  const { approved } = (await hsm.capabilities()).policies;
  expect(approved.map(({ name }) => name)).toEqual(["stripes", "payment"]);
  const name = approved[1]?.digest ?? "";
  await ceremonies((desk) => desk.both({ do: "forbid", name, reason: "test" }));
  await expect((await module()).releaseDataKey({ order, sealed, policy })).rejects.toThrow(
    "no two custodians",
  );
});

test("what is of another kind, or drawn here, is refused", async () => {
  await ceremonies(async (desk) => {
    const key = plan("encoder-3", { use: "stripe-encoder", algorithm: "X25519" });
    await expect(desk.begin({ do: "generate", key })).rejects.toThrow("its private half is elsewhere");
    const other = { do: "import-public", key, pem: pemOf(unhex(signed.signer)) } as const;
    await expect(desk.begin(other)).rejects.toThrow("a public key for stripe-encoder is X25519");
    const authority = plan("ca", { use: "card-authority", algorithm: "P-256" });
    await expect(desk.begin({ do: "import-public", key: authority, pem: "" })).rejects.toThrow(
      "are kept in the vault only",
    );
  });
});

test("a public key that was exchanged in the register is found by its MAC", async () => {
  const register = JSON.parse(readFileSync(file(), "utf8")) as { keys: { name: string; open?: string }[] };
  const exchanged = {
    ...register,
    keys: register.keys.map((key) =>
      key.name === "encoder-1"
        ? { ...key, open: encoders[1].publicKey.export({ format: "der", type: "spki" }).toString("base64") }
        : key,
    ),
  };
  const altered = join(folder, "altered.json");
  writeFileSync(altered, JSON.stringify(exchanged));
  await expect(
    openToken({ file: altered, unlock: soft.access }, { environment: soft.environment }),
  ).rejects.toThrow("the register of token keys was altered");
});
