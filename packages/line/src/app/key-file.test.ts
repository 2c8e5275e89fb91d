import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openKeystore, sealKeystore } from "../devices/hsm/keystore.js";
import { DataProblem } from "../orders/problem.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { openSecurityModule } from "./key-file.js";

let folder: string;
let data: DataFolder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-keys-"));
  data = dataFolder(join(folder, "data"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Published test keys of GlobalPlatform's world; check values by `openssl enc -aes-128-ecb` over 16 × 01. */
const one = { value: "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF", kcv: "FB9292" };
const other = { value: "404142434445464748494A4B4C4D4E4F", kcv: "504A77" };

function list(name: string, keys: readonly string[], environment = "test"): string {
  const file = join(folder, name);
  writeFileSync(
    file,
    `environment: ${environment}\nkeys:\n${keys.map((key) => `  - { ${key} }\n`).join("")}`,
  );
  return file;
}
const published = (name: string, { value }: typeof one, use = "loader"): string =>
  `name: ${name}, use: ${use}, published: "${value}"`;

async function refused(keyFile: string): Promise<string> {
  try {
    await (await openSecurityModule(data, keyFile, undefined)).close();
    return "opened";
  } catch (problem) {
    if (!(problem instanceof DataProblem)) throw problem;
    return problem.message;
  }
}

describe("a key list against the keystore", () => {
  beforeEach(async () => {
    const made = list("keys.yaml", [published("os-loader", one), "name: issuer, use: scp03"]);
    await (await openSecurityModule(data, made, undefined)).close();
  });

  test("the same keys open it, in any order and without those that are not needed", async () => {
    expect(await refused(list("same.yaml", ["name: issuer, use: scp03", published("os-loader", one)]))).toBe(
      "opened",
    );
    expect(await refused(list("less.yaml", [published("os-loader", one)]))).toBe("opened");
  });

  test("a key whose life is over makes no cards: told before anything is made", async () => {
    const unlock = { keyFile: data.keyFile };
    const keep = openKeystore(data.keystore, unlock);
    const life = {
      state: "active",
      since: "2026-01-01",
      source: "drawn",
      ceremony: "C-0001",
      kcv: "",
    } as const;
    const keys = keep.keys.map((key) =>
      key.name === "issuer" ? { ...key, life: { ...life, until: "2026-02-01T00:00:00Z" } } : key,
    );
    sealKeystore(data.keystore, "test", keys, unlock, keep);
    const all = list("all.yaml", ["name: issuer, use: scp03", published("os-loader", one)]);
    expect(await refused(all)).toContain("key issuer is deactivated: it makes no new cards");
    expect(await refused(list("less.yaml", [published("os-loader", one)]))).toBe("opened");
  });

  test("another value under the same name is refused, with both check values and what to do", async () => {
    const text = await refused(
      list("other.yaml", [published("os-loader", other), "name: issuer, use: scp03"]),
    );
    expect(text).toContain(data.keystore);
    expect(text).toContain(`key os-loader has check value ${one.kcv} in the keystore, but ${other.kcv} in`);
    expect(text).toMatch(/other\.yaml back as it was .*or use the data folder/);
    expect(text).not.toContain(one.value);
    expect(text).not.toContain(other.value);
  });

  test("everything that differs is told at once: value, use, and a key that is not there", async () => {
    const text = await refused(
      list("all.yaml", [
        published("os-loader", other),
        "name: issuer, use: application",
        "name: gate, use: application",
      ]),
    );
    expect(text.split("\n")).toEqual([
      expect.stringContaining("key os-loader has check value"),
      expect.stringContaining('key issuer is for "scp03" in the keystore, but for "application"'),
      expect.stringContaining("the keystore lacks key gate"),
    ]);
  });

  test("a key that everybody knows is none that was drawn, and the other way round", async () => {
    expect(await refused(list("drawn.yaml", ["name: os-loader, use: loader"]))).toContain(
      `key os-loader is a published one in the keystore (check value ${one.kcv})`,
    );
    expect(await refused(list("known.yaml", [published("issuer", other, "scp03")]))).toMatch(
      new RegExp(`key issuer has check value [0-9A-F]{6} in the keystore, but ${other.kcv}`),
    );
  });

  test("a list of the other environment is refused", async () => {
    expect(await refused(list("live.yaml", ["name: issuer, use: scp03"], "live"))).toMatch(
      /keystore is for test cards, the keys in .*live\.yaml are for live ones/,
    );
  });
});

describe("a folder whose keys are missing", () => {
  const stripe = "name: cvk, use: emv-cvk";
  const opening = (): Promise<unknown> =>
    openSecurityModule(data, list("keys.yaml", [stripe]), undefined).then((hsm) => hsm.close());
  const stands = () =>
    [data.letterPrinterKey, data.stripeEncoderKey].map((file) => readFileSync(file, "utf8"));
  const gone = (): void => rmSync(data.keystore);

  test("keys are made where nothing needs any, and never over the private halves of former ones", async () => {
    await opening();
    const before = stands();
    copyFileSync(data.keystore, join(folder, "backup.json"));
    gone();
    await expect(opening()).rejects.toThrow(
      /keystore\.json is missing, and letter-printer\.pem and stripe-encoder\.pem may be the only private half.*put keystore\.json \(and keystore\.key, where no passphrase opens it\) back from a backup.*move letter-printer\.pem and stripe-encoder\.pem away/,
    );
    expect(stands()).toEqual(before);
    expect(existsSync(data.keystore)).toBe(false);
    copyFileSync(join(folder, "backup.json"), data.keystore);
    await opening();
    expect(stands()).toEqual(before);
  });

  test.each([
    ["signed heads of an audit", () => writeFileSync(data.auditHeads, "a head\n"), "audit/heads.jsonl"],
    ["orders' secrets", () => mkdirSync(`${data.keystore}.orders`), "keystore.json.orders"],
    ["acts of a key office", () => writeFileSync(data.officeActs, "an act\n"), "audit/ceremonies.jsonl"],
    [
      "records of ceremonies",
      () => {
        mkdirSync(data.ceremonies);
        writeFileSync(join(data.ceremonies, "C-0001.json"), "{}");
      },
      "ceremonies",
    ],
  ])("%s need the keys that signed them: no others are made", async (_, put, named) => {
    put();
    await expect(opening()).rejects.toThrow(
      `what is in this data folder was made with its keys: ${named}. Nothing was made or changed`,
    );
    expect(existsSync(data.keystore)).toBe(false);
    expect(existsSync(data.letterPrinterKey)).toBe(false);
  });

  test("a keystore that cannot be written leaves no private half behind", async () => {
    mkdirSync(data.keyFile);
    await expect(opening()).rejects.toThrow("EISDIR");
    expect([data.letterPrinterKey, data.stripeEncoderKey].filter((file) => existsSync(file))).toEqual([]);
    rmSync(data.keyFile, { recursive: true });
    await opening();
  });
});

describe("algorithms of keys", () => {
  const des = { value: "404142434445464748494A4B4C4D4E4F", kcv: "8BAF47" };
  test("3DES for scp02, AES of three sizes for scp03; check values by their own algorithm", async () => {
    const made = list("keys.yaml", [
      published("maker", des, "scp02"),
      "name: issuer, use: scp03, algorithm: AES-192",
      `name: big, use: scp03, algorithm: AES-256, published: "${other.value}${other.value}"`,
    ]);
    const hsm = await openSecurityModule(data, made, undefined);
    const known = await hsm.keys();
    await hsm.close();
    const of = (name: string) => known.find((key) => key.name === name);
    expect(of("maker")).toMatchObject({ use: "scp02", algorithm: "3DES", kcv: des.kcv });
    expect(of("issuer")).toMatchObject({ algorithm: "AES-192" });
    expect(of("big")).toMatchObject({ algorithm: "AES-256" });
    expect(await refused(made)).toBe("opened");
    expect(await refused(list("other.yaml", ["name: issuer, use: scp03"]))).toContain(
      "key issuer is AES-192 in the keystore, but AES-128 in",
    );
  });
  test.each([
    ["name: a, use: scp02, algorithm: AES-128", "a key for scp02 is not AES-128"],
    ["name: a, use: scp03, algorithm: 3DES", "a key for scp03 is not 3DES"],
    ["name: a, use: application, algorithm: AES-256", "a key for application is AES-128"],
    [`name: a, use: scp03, algorithm: AES-256, published: "${other.value}"`, "AES-256 has 64 digits, not 32"],
    [`name: a, use: scp02, published: "${other.value}${other.value}"`, "3DES has 32 digits, not 64"],
  ])("%s is refused, with its place", async (line, message) => {
    const text = await refused(list("wrong.yaml", [line]));
    expect(text).toContain(message);
    expect(text).toMatch(/wrong\.yaml/);
    expect(text).not.toContain(other.value);
  });
});

describe("keys of P-256 in a list", () => {
  /** RFC 6979, A.2.5. */
  const secret = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
  const point =
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
  const host = "name: host, use: scp11";
  const maker = `name: maker, use: card-authority, public: "${point}"`;

  test("a drawn host and an authority's public half; the same list opens them again", async () => {
    expect(await refused(list("keys.yaml", [host, maker]))).toBe("opened");
    expect(await refused(list("again.yaml", [maker, host]))).toBe("opened");
    const hsm = await openSecurityModule(data, list("third.yaml", [maker]), undefined);
    const told = await hsm.keys();
    await hsm.close();
    expect(told.find(({ use }) => use === "card-authority")).toMatchObject({
      publicKey: point,
      published: false,
    });
    // Its private half, published, is the same key; another one is not.
    const published = (digits: string) => `name: maker, use: card-authority, published: "${digits}"`;
    expect(await refused(list("secret.yaml", [published(secret)]))).toBe("opened");
    expect(await refused(list("other.yaml", [published("01".repeat(32))]))).toContain(
      "another key of the same name",
    );
  });

  test.each([
    [`${host}, algorithm: AES-128`, "a key for scp11 is not AES-128"],
    ["name: fab, use: scp03, algorithm: P-256", "a key for scp03 is not P-256"],
    ["name: maker, use: card-authority", "an authority's key is not drawn here"],
    [`${maker}, published: "${secret}"`, "its public half follows from the key"],
    [`${host}, public: "${point}"`, "its public half follows from the key"],
    [`name: maker, use: card-authority, public: "${point.slice(0, -2)}98"`, "it is no point of P-256"],
    [`${host}, published: "${"00".repeat(32)}"`, "it is no private key of P-256"],
    [`${host}, published: "${secret.slice(32)}"`, "P-256 has 64 digits, not 32"],
  ])("%s", async (key, message) => {
    expect(await refused(list("keys.yaml", [key]))).toContain(message);
  });

  test("a published one makes no live cards", async () => {
    const text = await refused(list("live.yaml", [`${host}, published: "${secret}"`], "live"));
    expect(text).toContain("a published key must not make live cards");
  });
});
