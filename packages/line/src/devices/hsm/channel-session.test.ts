import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hex } from "@persoline/card/bytes";
import { diversify3des, diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import type { Part, SecureChannelSpec, SecureStep } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cardWith,
  chip,
  keyInformation,
  masterOf,
  masters,
  publishedMasters,
  putKey,
  ref,
  send,
  serial,
  type OpenedVault,
  sessionBy,
  vaultWith,
} from "./channel-cards.test.data.js";
import { orderOfSteps } from "./order.test.data.js";
import type { Hsm } from "./port.js";

let vault: OpenedVault;
let hsm: Hsm;
beforeAll(async () => {
  vault = await vaultWith([
    ...publishedMasters,
    { name: "issuer192", use: "scp03", algorithm: "AES-192" },
    { name: "issuer256", use: "scp03", algorithm: "AES-256" },
    { name: "issuerdes", use: "scp02" },
    { name: "app", use: "application" },
    { name: "singledes", use: "scp02", published: "1F2E3D4C5B6A79881F2E3D4C5B6A7988" },
    { name: "weakdes", use: "scp02", published: "1F2E3D4C5B6A798801FE01FE01FE01FE" },
  ]);
  hsm = vault.hsm;
});
afterAll(() => vault.end());

const session = (card: VirtualCard, channel: SecureChannelSpec, steps: readonly SecureStep[]) =>
  sessionBy(hsm, card, channel, steps);

const scp03 = (master: "fab128" | "fab192" | "fab256", i: number): SecureChannelSpec => ({
  protocol: "scp03",
  keys: ref(master),
  kvn: 0xff,
  level: (i & 0x40) === 0 ? 0x03 : 0x33,
  i,
});
const scp02 = (
  i: 0x15 | 0x35 | 0x55 | 0x75,
  diversify: "visa2" | "emv-cps" | "visa" | "none",
): SecureChannelSpec => ({
  protocol: "scp02",
  keys: ref("fabdes"),
  kvn: 0xff,
  level: (i & 0x20) === 0 ? 0x03 : 0x13,
  i,
  diversify,
});

describe("the vault opens cards of every kind and puts the issuer's keys in", () => {
  const kinds = [
    ...(["fab128", "fab192", "fab256"] as const).flatMap((master) =>
      [0x00, 0x10, 0x70, 0x71].map((i) => ({
        name: `SCP03 i=${i.toString(16)} ${masters[master].algorithm}`,
        spec: scp03(master, i),
        keys: diversifyKdf3(nodeCrypto, masters[master].value, chip),
        algorithm: "aes" as const,
        more: { i03: i },
      })),
    ),
    ...([0x15, 0x35, 0x55, 0x75] as const).flatMap((i) =>
      (["visa2", "emv-cps", "visa"] as const).map((method) => ({
        name: `SCP02 i=${i.toString(16)} ${method}`,
        spec: scp02(i, method),
        keys: diversify3des(nodeCrypto, masters.fabdes.value, chip, method),
        algorithm: "3des" as const,
        more: { i02: i },
      })),
    ),
    {
      name: "SCP02, the same keys in all cards",
      spec: scp02(0x55, "none"),
      keys: { enc: masters.fabdes.value, mac: masters.fabdes.value, dek: masters.fabdes.value },
      algorithm: "3des" as const,
      more: {},
    },
  ];
  test.each(kinds)("$name", async ({ spec, keys, algorithm, more }) => {
    const card = cardWith(keys, algorithm, more);
    const made =
      algorithm === "3des"
        ? ({ secret: "key-set", keys: ref("issuerdes"), kvn: 2, form: "3des", diversify: "visa2" } as const)
        : ({ secret: "key-set", keys: ref("issuer256"), kvn: 0x31, form: "aes-256" } as const);
    const done = await session(card, spec, [keyInformation, putKey(made)]);
    if (!done.ok) throw new Error(done.code);
    expect(done.answers.map(({ sw, verdict }) => [sw, verdict])).toEqual([
      [0x9000, undefined],
      [0x9000, "right"],
    ]);
    // The initial set is gone; the new one opens the card.
    const next: SecureChannelSpec =
      spec.protocol === "scp02"
        ? { ...spec, keys: made.keys, kvn: made.kvn, diversify: "visa2" }
        : { ...spec, protocol: "scp03", keys: made.keys, kvn: made.kvn, level: 0x01 };
    const again = await session(card, next as SecureChannelSpec, [keyInformation]);
    if (!again.ok) throw new Error(again.code);
    const form = made.form === "3des" ? "8010" : "8820";
    const kvn = hex(Uint8Array.of(made.kvn));
    expect(hex(again.answers[0]?.data ?? new Uint8Array(0))).toBe(
      `E012${["01", "02", "03"].map((id) => `C004${id}${kvn}${form}`).join("")}`,
    );
  });
});

describe("what the vault refuses", () => {
  const good = () => cardWith(diversifyKdf3(nodeCrypto, masters.fab128.value, chip), "aes");
  test("a card with other keys: found out before EXTERNAL AUTHENTICATE, no try is lost", async () => {
    for (const [card, spec] of [
      [cardWith(diversifyKdf3(nodeCrypto, masterOf(16, 1), chip), "aes"), scp03("fab128", 0x70)],
      [cardWith(diversify3des(nodeCrypto, masterOf(16, 1), chip, "visa2"), "3des"), scp02(0x55, "visa2")],
    ] as const) {
      const before = card.counters.pagesWritten;
      expect(await session(card, spec, [])).toMatchObject({ ok: false, code: "card-cryptogram" });
      expect(card.counters.pagesWritten).toBe(before);
    }
  });
  test("another i than the product's, another protocol, another version, another chip", async () => {
    expect(
      await session(good(), { ...scp03("fab128", 0x70), i: 0x30 } as SecureChannelSpec, []),
    ).toMatchObject({
      code: "protocol-error",
      detail: expect.stringContaining("i = 70") as string,
    });
    expect(await session(good(), scp02(0x55, "visa2"), [])).toMatchObject({ code: "protocol-error" });
    const named = cardWith(diversifyKdf3(nodeCrypto, masters.fab128.value, chip), "aes");
    const channel = { ...scp03("fab128", 0x70), kvn: 0x30 } as SecureChannelSpec;
    const order = await orderOfSteps(hsm, channel, []);
    const { session: id, open } = await hsm.openSession({ channel, serial, order });
    expect(open.p1).toBe(0x30);
    const answer = send(named, { ...open, p1: 0 });
    expect(await hsm.authenticate({ session: id, answer, steps: [] })).toMatchObject({
      code: "protocol-error",
    });
  });
  test("keys for another purpose, of another size, diversified in another's way", async () => {
    const spec = scp03("fab128", 0x70);
    const put = (part: Partial<Extract<Part, { secret: "key-set" }>>) =>
      session(good(), spec, [
        putKey({ secret: "key-set", keys: ref("issuer256"), kvn: 0x31, form: "aes-256", ...part }),
      ]);
    await expect(put({ form: "aes-128" })).rejects.toThrow("AES-256");
    await expect(put({ keys: ref("issuerdes") })).rejects.toThrow("scp02");
    await expect(put({ form: "3des" })).rejects.toThrow("diversified");
    await expect(put({ diversify: "visa2" })).rejects.toThrow("diversified");
    await expect(session(good(), { ...spec, keys: ref("app") } as SecureChannelSpec, [])).rejects.toThrow(
      "one purpose",
    );
  });
  test("card keys of triple DES that are single DES in truth, or weak", async () => {
    const desCard = () =>
      cardWith(diversify3des(nodeCrypto, masters.fabdes.value, chip, "visa2"), "3des", { i02: 0x55 });
    for (const name of ["singledes", "weakdes"])
      await expect(
        session(desCard(), { ...scp02(0x55, "none"), keys: ref(name) } as SecureChannelSpec, []),
      ).rejects.toThrow("triple DES keys of chip 504C");
  });
  test("values of keys stay in its process: neither the keystore file nor an error tells one", async () => {
    const list = await hsm.keys();
    expect(list.find(({ name }) => name === "fabdes")).toMatchObject({ algorithm: "3DES", use: "scp02" });
    expect(list.find(({ name }) => name === "issuer192")?.kcv).toMatch(/^[0-9A-F]{6}$/);
    const kept = readFileSync(join(vault.folder, "keystore.json"), "utf8");
    expect(kept).not.toContain(Buffer.from(masters.fab256.value).toString("base64"));
  });
});
